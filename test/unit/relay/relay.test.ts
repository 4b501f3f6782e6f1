/** The relay between a client and a provider that are both made up: whatever happens in whatever order, one end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../../src/core/errors.js';
import type { RelayedHead } from '../../../src/relay/relay-host.js';
import { Scene } from '../../helpers/relay-scene.js';
import { FakeDownstream } from '../../helpers/stage-fakes.js';

test('an answer is passed on, with Weir’s lines, and ends whole', () => {
  const scene = new Scene().begin().head();
  assert.equal(scene.downstream.status, '', 'a head waits for its body');
  scene.read('data: 1\n\n').read('data: 2\n\n', 'data: 3\n\n').end();
  const { downstream, exchange } = scene;
  assert.equal(downstream.body, 'data: 1\n\ndata: 2\n\ndata: 3\n\n');
  assert.match(
    downstream.lines,
    /^content-type: text\/event-stream\r\nx-weir-id: id-1\r\nserver-timing: weir;dur=[\d.]+\r\n$/,
  );
  assert.equal(downstream.ending, 'whole');
  assert.deepEqual(exchange.ended, { by: 'upstream', phase: 'done', reason: 'complete' });
  assert.equal(exchange.responseBytes, 27);
  assert.equal(scene.endings, 1);
});

test('what is left of the limits stands in answers of providers, without their own, and in those of Weir', () => {
  const limited = new Scene();
  limited.limits = 'x-ratelimit-limit-requests: 5\r\n';
  const lines = 'x-ratelimit-of-the-provider: 1\r\na: b\r\n';
  limited.begin().head({ lines, hasExtensions: true }).read('data: 1\n\n').end();
  assert.match(limited.downstream.lines, /^a: b\r\nx-weir-id: /);
  assert.match(limited.downstream.lines, /\r\nx-ratelimit-limit-requests: 5\r\n$/);
  const failed = new Scene();
  failed.limits = 'x-ratelimit-limit-requests: 5\r\n';
  failed.begin().fail('upstream_reset');
  assert.match(failed.downstream.lines, /\r\nx-ratelimit-limit-requests: 5\r\n$/);
});

test('what a client that is behind has not taken is copied, and its provider paused', () => {
  const scene = new Scene().begin().head();
  scene.downstream.isBehind = true;
  scene.read('one');
  assert.equal(scene.call.isPaused, true);
  scene.read('two', 'three').read('four');
  assert.equal(scene.downstream.body, 'one', 'nothing is offered meanwhile');
  scene.downstream.catchUp();
  assert.equal(scene.downstream.body, 'onetwothreefour');
  assert.equal(scene.call.isPaused, false);
  scene.downstream.isBehind = true;
  scene.read('five').read('six').end();
  assert.equal(scene.exchange.ended, null);
  scene.downstream.catchUp();
  assert.equal(scene.downstream.body, 'onetwothreefourfivesix');
  assert.equal(scene.downstream.ending, 'whole');
  assert.equal(scene.endings, 1);
});

/** The pieces of an event stream that breaks off → what the client gets in place of the rest. */
const ERROR_EVENT = 'data: {"code":"upstream_cut"}\n\n';
const CUTS: readonly (readonly [pieces: readonly string[], after: string])[] = [
  [['data: 1\n\n'], ERROR_EVENT],
  [['data: 1\r\n\r\n'], ERROR_EVENT],
  [['data: 1\n', '\ndata: 2\n\n'], ERROR_EVENT],
  [['data: 1\n'], `\n\n${ERROR_EVENT}`],
  [['data: {"a'], `\n\n${ERROR_EVENT}`],
  [['data: 1\r\n'], `\n\n${ERROR_EVENT}`],
  // A comment of one character is a line of the event that has begun, and not its end.
  [['data: 1\n:\n'], `\n\n${ERROR_EVENT}`],
  [['data: 1\n\n', 'data: 2'], `\n\n${ERROR_EVENT}`],
  [['data: 1\n\n', ':'], `\n\n${ERROR_EVENT}`],
];

test('an event stream that breaks off says so in an event of its own, and is cut', () => {
  for (const [pieces, after] of CUTS) {
    const scene = new Scene().begin().head();
    for (const piece of pieces) scene.read(piece);
    scene.fail();
    assert.equal(scene.downstream.body, pieces.join('') + after, JSON.stringify(pieces));
    assert.equal(scene.downstream.ending, 'cut');
    assert.equal(scene.exchange.ended?.reason, 'upstream_cut');
  }
});

test('no event is put where it could be taken for the provider’s bytes', () => {
  const cases: readonly Partial<RelayedHead>[] = [
    { contentLength: 100 },
    { isEncoded: true },
    { isEventStream: false },
  ];
  for (const head of cases) {
    const scene = new Scene().begin().head(head).read('data: 1\n\n').fail();
    assert.equal(scene.downstream.body, 'data: 1\n\n');
    assert.equal(scene.downstream.ending, 'cut');
  }
  const behind = new Scene().begin().head();
  behind.downstream.isBehind = true;
  behind.read('data: 1\n\n').fail();
  assert.equal(behind.downstream.body, 'data: 1\n\n');
  assert.equal(behind.downstream.ending, 'cut');
});

test('a failure before the answer began is an answer of its own, with how long to wait', () => {
  const early = new Scene().begin().fail('upstream_reset');
  assert.equal(early.downstream.status, '502 Words');
  assert.equal(early.downstream.body, '{"code":"upstream_reset"}');
  assert.equal(early.exchange.status, 502);
  const headOnly = new Scene().begin().head().fail();
  assert.equal(headOnly.downstream.status, '502 Words', 'of the provider’s head nothing had gone');
  const full = new Scene();
  full.relay.refuse(new GatewayError('queue_full', 'full', { retryAfterMs: 1500 }));
  assert.match(full.downstream.lines, /retry-after: 2\r\nretry-after-ms: 1500\r\n/);
  assert.deepEqual(full.exchange.ended, { by: 'gateway', phase: 'reading', reason: 'queue_full' });
});

test('a defect is told to the host, and after it nothing looks whole', () => {
  const thrown = new Error('a defect');
  const scene = new Scene().begin().head().read('data: 1\n\n');
  scene.call.finish();
  scene.downstream.send = () => {
    scene.downstream.send = FakeDownstream.prototype.send;
    throw thrown;
  };
  assert.throws(() => scene.relay.onUpstreamEnd(1), thrown);
  scene.relay.onUpstreamFailure(thrown);
  assert.deepEqual(scene.faults, [thrown]);
  assert.equal(scene.downstream.ending, 'cut');
  assert.equal(scene.exchange.error?.code, 'gateway_error');
  assert.equal(scene.endings, 1);
});

test('answers without a body', () => {
  const head = new Scene({ method: 'HEAD' })
    .begin()
    .head({ contentLength: 7, isEventStream: false })
    .end();
  assert.equal(head.downstream.reportedBytes, 7);
  assert.equal(head.downstream.body, '');
  const none = new Scene().begin().head({ status: 204, statusLine: '204 No Content' }).end();
  assert.equal(none.downstream.reportedBytes, null);
  const refused = new Scene({ method: 'HEAD' });
  refused.relay.refuse(new GatewayError('model_not_found', 'no'));
  assert.equal(refused.downstream.body, '');
  assert.equal(refused.downstream.reportedBytes, Buffer.byteLength('{"code":"model_not_found"}'));
});

test('the connection is closed after a chunked request, while draining, and when much is unread', () => {
  const whole = { contentLength: 2, isEventStream: false };
  assert.equal(
    new Scene({ isChunked: true }).begin().head(whole).read('ok').end().downstream.closes,
    false,
  );
  const chunked = new Scene({ isChunked: true }).begin().head(whole);
  chunked.relay.onUpstreamData(Buffer.from('ok'));
  chunked.end();
  assert.equal(chunked.downstream.closes, true, 'whole in one write');
  for (const [method, contentLength, closes] of [
    ['POST', -1, true],
    ['POST', 0, false],
    ['GET', -1, false],
  ] as const) {
    const scene = new Scene({ method, contentLength });
    scene.relay.answer(200, '{}');
    assert.equal(scene.downstream.closes, closes, `${method} of length ${contentLength}`);
  }
  const draining = new Scene();
  draining.isDraining = true;
  draining.relay.answer(200, '{}');
  assert.equal(draining.downstream.closes, true);
  const unread = new Scene({ contentLength: 10_000_000 });
  unread.relay.refuse(new GatewayError('model_not_found', 'no'));
  assert.equal(unread.downstream.closes, true);
});

test('a call that comes after the end is cancelled', () => {
  const scene = new Scene();
  scene.downstream.leave();
  scene.begin();
  assert.equal(scene.call.isCancelled, true);
  assert.deepEqual(scene.exchange.ended, { by: 'downstream', phase: 'reading', reason: 'aborted' });
});

type Event =
  | 'head'
  | 'data'
  | 'turn'
  | 'end'
  | 'fail'
  | 'leave'
  | 'behind'
  | 'catchUp'
  | 'refuse'
  | 'defect';
const EVENTS: readonly Event[] = [
  'data',
  'data',
  'turn',
  'end',
  'fail',
  'leave',
  'behind',
  'catchUp',
  'refuse',
  'defect',
];

test('every order of events ends an exchange exactly once, and what looks whole is', () => {
  const orders = fc.record({
    events: fc.array(fc.constantFrom(...EVENTS), { maxLength: 25 }),
    headAt: fc.nat({ max: 3 }),
    contentLength: fc.constantFrom(-1, 8, 40),
    method: fc.constantFrom('POST', 'POST', 'HEAD'),
  });
  fc.assert(
    fc.property(orders, ({ events, headAt, contentLength, method }) => {
      const scene = new Scene({ method }).begin();
      let given = '';
      let hasHead = false;
      const steps = [...events.slice(0, headAt), 'head' as const, ...events.slice(headAt)];
      for (const step of steps) {
        // A provider that is done says nothing more; nor does one say anything before its head but that it failed.
        const isUpstreamOver = scene.call.phase === 'done';
        if (step === 'head' && !isUpstreamOver) {
          hasHead = true;
          scene.head({ contentLength });
        } else if (step === 'data' && hasHead && !isUpstreamOver && method !== 'HEAD') {
          if (contentLength >= 0 && given.length + 4 > contentLength) continue;
          given += 'abc\n';
          scene.relay.onUpstreamData(Buffer.from('abc\n'));
          // A parser knows that a body of known length is over as soon as it has its last byte.
          if (given.length === contentLength) scene.end();
        } else if (step === 'turn' && !isUpstreamOver) {
          scene.relay.onUpstreamTurn(1);
        } else if (step === 'end' && hasHead && !isUpstreamOver) {
          if (method !== 'HEAD' && contentLength >= 0 && given.length < contentLength) continue;
          scene.end();
        } else if (step === 'fail' && !isUpstreamOver) {
          scene.fail(hasHead ? 'upstream_cut' : 'upstream_reset');
        } else if (step === 'leave') {
          scene.downstream.leave();
        } else if (step === 'behind') {
          scene.downstream.isBehind = true;
        } else if (step === 'catchUp') {
          scene.downstream.catchUp();
        } else if (step === 'refuse') {
          scene.relay.refuse(new GatewayError('idle_timeout', 'late'));
        } else if (step === 'defect') {
          scene.relay.refuse(new Error('a defect'));
        }
        assert.ok(scene.endings <= 1);
        assert.equal(scene.endings === 1, scene.exchange.ended !== null);
      }
      scene.downstream.catchUp();
      scene.downstream.leave();
      assert.equal(scene.endings, 1);
      assert.equal(scene.call.phase, 'done', 'the provider is not left running');
      const { ending, body } = scene.downstream;
      if (scene.exchange.ended?.reason === 'complete') {
        assert.equal(ending, 'whole');
        assert.equal(body, given);
      } else if (ending === 'whole') {
        assert.match(scene.downstream.status, / Words$/, 'an error of Weir’s own');
      }
    }),
    { numRuns: 3000 },
  );
});

test('a stream whose budget is used up goes on, or ends like a whole one', () => {
  const scene = new Scene().begin();
  scene.exchange.endsWhenExhausted = true;
  scene.head({ isEventStream: true, contentLength: -1 }).read('data: 1\n\n');
  assert.equal(scene.endings, 0);
  scene.isBudgetUsedUp = true;
  scene.read('data: 2\n\n');
  assert.equal(scene.call.isCancelled, true);
  assert.equal(scene.exchange.ended?.reason, 'limit_reached');
  assert.equal(scene.endings, 1);
  const text = scene.downstream.body;
  assert.match(
    text,
    /data: 2\n\ndata: \{"finish_reason":"length"\}\n\ndata: \{"code":"limit_reached"\}/,
  );
});

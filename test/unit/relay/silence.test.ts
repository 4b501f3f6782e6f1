/** What a relay does by the clock, which is made up too: comments in a silence, and the end of an exchange's time. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import type { RelayedHead } from '../../../src/relay/relay-host.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { Scene } from '../../helpers/relay-scene.js';

const TICK_MS = BOUNDS.timerTickMs;
const KEEP_ALIVE_MS = 1000;
const COMMENT = ': keep-alive\n\n';
const TIMEOUT_EVENT = 'data: {"code":"exchange_timeout"}\n\n';

function begin(context: TestContext, head: Partial<RelayedHead> = {}, method = 'POST') {
  const clock = new FakeClock(context);
  const scene = new Scene({ method });
  scene.exchange.target = {
    entryName: 'm',
    position: 0,
    index: 0,
    provider: 'p',
    model: null,
    timeouts: null,
    wholeMs: 0,
    keepAliveMs: KEEP_ALIVE_MS,
  };
  scene.begin().head(head);
  return { clock, scene };
}

/** The longest that a comment may be late. */
const LATE_MS = 2 * TICK_MS;

test('a comment for each silence, and the provider’s head before the first', (t) => {
  const { clock, scene } = begin(t);
  clock.advance(KEEP_ALIVE_MS - TICK_MS);
  assert.equal(scene.downstream.status, '');
  clock.advance(LATE_MS + TICK_MS);
  assert.equal(scene.downstream.status, '200 OK');
  assert.equal(scene.downstream.body, COMMENT);
  clock.advance(KEEP_ALIVE_MS + LATE_MS);
  assert.equal(scene.downstream.body, COMMENT.repeat(2));
  scene.read('data: 1\n\n');
  clock.advance(KEEP_ALIVE_MS - TICK_MS);
  assert.equal(scene.downstream.body, `${COMMENT.repeat(2)}data: 1\n\n`, 'the stream went on');
  clock.advance(LATE_MS + TICK_MS);
  scene.read('data: 2\n\n').end();
  assert.equal(scene.downstream.body, `${COMMENT.repeat(2)}data: 1\n\n${COMMENT}data: 2\n\n`);
  assert.equal(scene.exchange.responseBytes, 18, 'comments are not the provider’s');
  clock.advance(10 * KEEP_ALIVE_MS);
  assert.equal(scene.downstream.ending, 'whole');
  assert.equal(clock.intervalCount, 0, 'something waits still');
});

test('no comment stands where it is part of something, or the client is behind', (t) => {
  for (const half of ['data: {"a', 'data: 1\n', 'data: 1\r\n', ': comment']) {
    const { clock, scene } = begin(t);
    scene.read(half);
    clock.advance(5 * KEEP_ALIVE_MS);
    assert.equal(scene.downstream.body, half);
    scene.read('\n\n');
    clock.advance(KEEP_ALIVE_MS + LATE_MS);
    assert.equal(scene.downstream.body, `${half}\n\n${COMMENT}`);
    scene.downstream.leave();
  }
  const { clock, scene } = begin(t);
  scene.downstream.isBehind = true;
  scene.read('data: 1\n\n');
  clock.advance(5 * KEEP_ALIVE_MS);
  assert.equal(scene.downstream.body, 'data: 1\n\n');
  scene.downstream.catchUp();
  clock.advance(KEEP_ALIVE_MS + LATE_MS);
  assert.equal(scene.downstream.body, `data: 1\n\n${COMMENT}`);
});

test('a client that a comment finds behind pauses the provider', (t) => {
  const { clock, scene } = begin(t);
  scene.read('data: 1\n\n');
  scene.downstream.isBehind = true;
  clock.advance(3 * KEEP_ALIVE_MS);
  assert.equal(scene.downstream.body, `data: 1\n\n${COMMENT}`);
  assert.equal(scene.call.isPaused, true);
});

test('no comment goes into what is no event stream, is encoded, or has a length or no body', (t) => {
  const heads: readonly Partial<RelayedHead>[] = [
    { isEventStream: false },
    { isEncoded: true },
    { contentLength: 100 },
    { status: 204 },
  ];
  for (const head of heads) {
    const { clock, scene } = begin(t, head);
    clock.advance(5 * KEEP_ALIVE_MS);
    assert.equal(scene.downstream.status, '', JSON.stringify(head));
  }
  const { clock, scene } = begin(t, {}, 'HEAD');
  clock.advance(5 * KEEP_ALIVE_MS);
  assert.equal(scene.downstream.status, '');
});

test('comments end with the client, and with the provider', (t) => {
  const left = begin(t);
  left.scene.downstream.leave();
  left.clock.advance(5 * KEEP_ALIVE_MS);
  assert.equal(left.clock.intervalCount, 0);
  const failed = begin(t);
  failed.scene.fail();
  failed.clock.advance(5 * KEEP_ALIVE_MS);
  assert.equal(failed.clock.intervalCount, 0);
  assert.equal(failed.scene.downstream.status, '502 Words');
});

test('an exchange whose time is over is refused, or cut behind what has come', (t) => {
  const clock = new FakeClock(t);
  const early = new Scene().begin();
  early.exchange.phase = 'waiting';
  early.relay.limitTime(clock.nowMs + 500);
  clock.advance(500 + LATE_MS);
  assert.equal(early.downstream.status, '504 Words');
  assert.equal(early.downstream.body, '{"code":"exchange_timeout"}');
  assert.equal(early.call.isCancelled, true);
  assert.deepEqual(early.exchange.ended, {
    by: 'gateway',
    phase: 'waiting',
    reason: 'exchange_timeout',
  });
  for (const [piece, gap] of [
    ['data: 1\n\n', ''],
    ['data: 1', '\n\n'],
  ] as const) {
    const cut = new Scene().begin().head().read(piece);
    cut.relay.limitTime(clock.nowMs + 500);
    clock.advance(500 + LATE_MS);
    assert.equal(cut.downstream.body, piece + gap + TIMEOUT_EVENT);
    assert.equal(cut.downstream.ending, 'cut');
    assert.equal(cut.call.isCancelled, true);
    assert.equal(cut.endings, 1);
  }
});

test('of several times the shortest counts, whichever is told first', (t) => {
  const clock = new FakeClock(t);
  for (const times of [
    [5000, 500],
    [500, 5000],
  ] as const) {
    const scene = new Scene().begin();
    const { startedMs } = scene.exchange;
    const passedMs = clock.nowMs - startedMs;
    for (const ms of times) scene.relay.limitTime(passedMs + ms);
    assert.equal(scene.exchange.deadlineMs, clock.nowMs + 500);
    clock.advance(400);
    assert.equal(scene.endings, 0);
    clock.advance(100 + LATE_MS);
    assert.equal(scene.exchange.ended?.reason, 'exchange_timeout');
    clock.advance(10_000);
    assert.equal(scene.endings, 1);
  }
});

test('the time of an exchange that has ended is nobody’s any more', (t) => {
  const clock = new FakeClock(t);
  const scene = new Scene().begin().head();
  scene.relay.limitTime(clock.nowMs + 500);
  scene.read('data: 1\n\n').end();
  assert.equal(scene.deadlines.wheel.count, 0);
  scene.relay.limitTime(1);
  assert.equal(scene.deadlines.wheel.count, 0);
  clock.advance(5000);
  assert.equal(clock.intervalCount, 0);
  assert.equal(scene.downstream.ending, 'whole');
});

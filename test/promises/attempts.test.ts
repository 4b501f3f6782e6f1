/**
 * P-18: one of several targets fails before anything was passed down, in every way there is, and the caller sees
 * another's success. What has begun to reach the caller is never begun again.
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { describeEngines, readMetric, waitForMetric } from '../helpers/engine-matrix.js';
import {
  renderChunk,
  renderHead,
  renderJson,
  renderRequest,
  renderResponse,
} from '../helpers/http-text.js';
import { fin, rst, type Script, send, stall } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';
import { SeveralTargets, tell } from '../helpers/several-targets.js';

const EVENT_STREAM = renderHead('HTTP/1.1 200 OK', [
  ['content-type', 'text/event-stream'],
  ['transfer-encoding', 'chunked'],
]);

function refuse(status: number, ...headers: [string, string][]): Script {
  return [send(renderJson({ error: { message: 'not now' } }, { status, headers }))];
}

/** What `a` does, and what the log calls it. */
const FAILURES: Readonly<Record<string, { readonly script: Script; readonly as: string }>> = {
  'resets before its head': { script: [rst()], as: 'reset_before_head' },
  'ends before its head': { script: [fin()], as: 'reset_before_head' },
  'resets between head and body': {
    script: [send(EVENT_STREAM), rst()],
    as: 'reset_after_head',
  },
  'is throttled': { script: refuse(429, ['retry-after', '20']), as: 'throttled' },
  'is unavailable': { script: refuse(503), as: 'overloaded' },
  'is overloaded': { script: refuse(529), as: 'overloaded' },
  'fails itself': { script: refuse(500), as: 'server_error' },
  'is not HTTP': { script: [send('SSH-2.0-OpenSSH_9.2p1\r\n\r\n')], as: 'malformed' },
  'does not accept the credential': { script: refuse(401), as: 'unauthorized' },
  'does not know the model': { script: refuse(404), as: 'not_found' },
  'stalls before its head': { script: [stall()], as: 'first_byte_timeout' },
  'stalls between head and body': { script: [send(EVENT_STREAM), stall()], as: 'idle_timeout' },
};

const TWO = {
  targets: [{ provider: 'a' }, { provider: 'b', model: 'at-b' }],
  balance: 'round-robin',
};

/** A model for each, because a target that fails again and again is ejected. */
function nameModel(what: string): string {
  return what.replaceAll(' ', '-');
}

describeEngines('attempts at several targets', 60_000, (engine) => {
  let scene: SeveralTargets;

  before(async () => {
    scene = await SeveralTargets.start(
      engine,
      {
        two: TWO,
        ...Object.fromEntries(Object.keys(FAILURES).map((what) => [nameModel(what), TWO])),
        refused: { targets: [{ provider: 'closed' }, { provider: 'b' }], balance: 'round-robin' },
        mute: { ...TWO, timeouts: { first_token: '120ms' } },
        one: { provider: 'a', retry: { attempts: 2, backoff: '1ms' } },
        '*': { targets: [{ provider: 'closed' }, { provider: 'b' }], balance: 'round-robin' },
        never: { provider: 'a', retry: { attempts: 1 } },
      },
      { retry: { budget: 100 } },
      { timeouts: { first_byte: '200ms', idle: '200ms' } },
    );
  });

  after(() => scene.stop());

  /** `two` takes turns, so of two questions at least one begins at `a`. */
  for (const [what, { script, as }] of Object.entries(FAILURES)) {
    const model = nameModel(what);
    it(`P-18 ${model}`, async () => {
      scene.play({ a: script });
      const asked = [await scene.ask(model), await scene.ask(model)];
      const failed = asked.filter(({ attempts }) => attempts !== null);
      assert.deepEqual(
        asked.map(({ answer }) => [answer.status, answer.json()]),
        [1, 2].map(() => [200, { good: true }]),
      );
      assert.ok(failed.length >= 1);
      assert.deepEqual(tell(failed[0]?.attempts ?? null), [`a:${as}`, 'b:ok']);
      assert.equal(failed[0]?.answer.header('x-weir-attempts'), '2');
      assert.equal(failed[0]?.answer.header('x-weir-provider'), 'b');
      assert.equal(failed[0]?.line['target_model'], 'at-b');
      assert.equal(failed[0]?.line['provider'], 'b');
      const seen = await readMetric(scene.gateway, 'weir_attempts_total', {
        model,
        provider: 'a',
        class: as,
      });
      assert.ok(seen >= 1);
      await waitForMetric(scene.gateway, 'weir_exchanges_in_flight', 0);
      await waitForMetric(scene.gateway, 'weir_body_bytes_held', 0);
    });
  }

  it('P-18 refuses-connections', async () => {
    scene.play({});
    const asked = [await scene.ask('refused'), await scene.ask('refused')];
    assert.deepEqual(
      asked.map(({ answer }) => answer.status),
      [200, 200],
    );
    const failed = asked.filter(({ attempts }) => attempts !== null);
    assert.ok(failed.length >= 1);
    assert.deepEqual(tell(failed[0]?.attempts ?? null), ['closed:refused', 'b:ok']);
  });

  it('P-18 one-attempt-that-succeeds-is-no-news', async () => {
    scene.play({});
    const { answer, line } = await scene.ask('one');
    assert.equal(answer.header('x-weir-attempts'), '1');
    assert.equal(answer.header('x-weir-provider'), 'a');
    assert.equal(line['attempts'], undefined);
  });

  it('P-18 the-body-is-the-same-bit-for-bit', async () => {
    scene.play({ a: refuse(503) });
    const content = 'ä\u0000x'.repeat(3000);
    await scene.ask('two', { content });
    const before = scene.counts();
    await scene.ask('two', { content });
    await scene.ask('two', { content });
    const { a, b } = scene.upstreams;
    const first = a.requests[before.a]?.body.toString('latin1') ?? '';
    assert.ok(first.includes('"model":"two"'));
    const expected = first.replace('"model":"two"', '"model":"at-b"');
    const others = b.requests.slice(before.b);
    assert.equal(others.length, 2);
    for (const { body } of others) {
      assert.equal(body.toString('latin1'), expected);
    }
  });

  it('P-18 an-upload-of-which-nothing-was-sent-goes-elsewhere', async () => {
    scene.play({});
    for (let turn = 0; turn < 2; turn += 1) {
      const before = scene.counts();
      const client = await RawClient.connect({ port: scene.gateway.port });
      const body = Buffer.alloc(3 * 1024 * 1024, 'upload');
      const headers: [string, string][] = [['content-type', 'application/octet-stream']];
      await client.sendAll(renderRequest({ target: '/v1/files', headers, body }));
      const answer = await client.readResponse();
      assert.equal(answer.status, 200);
      const got = scene.upstreams.b.requests[before.b];
      assert.ok(got?.body.equals(body), 'every byte once');
      client.destroy();
    }
  });

  it('P-18 what-may-have-been-carried-out-is-not-sent-again', async () => {
    scene.play({ b: [rst()] });
    const before = scene.counts();
    const last: unknown[] = [];
    for (let turn = 0; turn < 2; turn += 1) {
      const client = await RawClient.connect({ port: scene.gateway.port });
      client.send(renderRequest({ target: '/v1/batches', body: '{"input_file_id":"f"}' }));
      const answer = await client.readResponse();
      last.push(answer.status, answer.header('x-weir-provider'));
      client.destroy();
    }
    assert.deepEqual(last, [502, 'b', 502, 'b']);
    assert.equal(scene.counts().b - before.b, 2);
  });

  it('P-18 announces-content-that-never-comes', async () => {
    const role = 'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n';
    scene.play({ a: [send(EVENT_STREAM), send(renderChunk(`: ping\n\n${role}`)), stall()] });
    const asked = [await scene.ask('mute'), await scene.ask('mute')];
    for (const { answer } of asked) assert.deepEqual(answer.json(), { good: true });
    const late = asked.find(({ attempts }) => attempts !== null);
    assert.deepEqual(tell(late?.attempts ?? null), ['a:first_token_timeout', 'b:ok']);
  });

  it('P-18 never-again-after-a-byte-was-passed-down', async () => {
    for (const end of [rst(), fin(), stall()]) {
      scene.play({ a: [send(EVENT_STREAM), send(renderChunk('data: {}\n\n')), end] });
      const before = scene.counts();
      const asked = [await scene.ask('two'), await scene.ask('two')];
      const cut = asked.find(({ line }) => line['error'] !== undefined);
      assert.ok(cut !== undefined);
      assert.match(cut.answer.body.toString(), /^data: \{\}\n\n/);
      assert.equal(cut.attempts?.length, 1);
      const { a, b } = scene.counts();
      assert.deepEqual([a - before.a, b - before.b], [1, 1]);
    }
  });

  it('P-18 the-last-answer-of-a-provider-passes-through-unchanged', async () => {
    const head: [string, string][] = [
      ['content-type', 'application/json'],
      ['retry-after', '0'],
      ['x-request-id', 'r-7'],
    ];
    const body = '{"error": {"message":"busy" }}\n';
    const script = [
      send(renderResponse({ status: 429, reason: 'Slow Down', headers: head, body })),
    ];
    scene.play({ a: script });
    const before = scene.counts();
    const { answer, attempts } = await scene.ask('one');
    assert.equal(answer.status, 429);
    assert.equal(answer.body.toString(), body);
    assert.equal(answer.header('x-request-id'), 'r-7');
    assert.equal(answer.header('x-weir-attempts'), '2');
    assert.deepEqual(tell(attempts), ['a:throttled', 'a:throttled']);
    assert.equal(scene.counts().a - before.a, 2);
  });

  it('P-18 an-error-that-is-the-request’s-fault-passes-through-at-once', async () => {
    const body = `{"error":{"code":"invalid_value","message":"${'x'.repeat(100_000)}"}}`;
    for (const text of ['{"error":{"code":"invalid_value"}}', body]) {
      scene.play({ a: [send(renderResponse({ status: 400, body: text }))] });
      const { answer, attempts } = await scene.ask('one');
      assert.equal(answer.status, 400);
      assert.equal(answer.body.toString(), text);
      assert.deepEqual(tell(attempts), ['a:bad_request']);
    }
  });

  it('P-18 one-target-that-may-not-be-asked-again-is-asked-once', async () => {
    scene.play({ a: refuse(503) });
    const before = scene.counts();
    const { answer, line } = await scene.ask('never');
    assert.equal(answer.status, 503);
    assert.equal(answer.header('x-weir-attempts'), undefined);
    assert.equal(line['attempts'], undefined);
    assert.equal(scene.counts().a - before.a, 1);
  });
});

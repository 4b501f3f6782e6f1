/** P-18: other models take over where one can't, and a second call is made where the first is slow. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { pause } from '../helpers/changes.js';
import { describeEngines, waitForMetric } from '../helpers/engine-matrix.js';
import { renderChunk, renderHead, renderJson, renderRequest } from '../helpers/http-text.js';
import { assertPrompt } from '../helpers/measured-times.js';
import { rst, type Script, send, stall } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';
import { GOOD, readTarget, SeveralTargets, tell } from '../helpers/several-targets.js';

function fail(status: number, code = 'x', ...headers: [string, string][]): Script {
  const message = code === 'x' ? 'not now' : code;
  return [send(renderJson({ error: { message, code } }, { status, headers }))];
}

describeEngines('fallbacks and hedges', 60_000, (engine) => {
  let scene: SeveralTargets;

  before(async () => {
    scene = await SeveralTargets.start(
      engine,
      {
        chained: {
          provider: 'a',
          fallbacks: ['second', 'third'],
          context_fallbacks: ['third'],
          content_fallbacks: ['second'],
          retry: { attempts: 1 },
        },
        second: { provider: 'b', fallbacks: ['unasked'], retry: { attempts: 1 } },
        third: { provider: 'c', model: 'third-at-c', retry: { attempts: 1 } },
        unasked: { provider: 'c' },
        hedged: {
          provider: 'a',
          fallbacks: ['second'],
          hedge: '60ms',
          retry: { attempts: 1 },
        },
        mute: { targets: [{ provider: 'a' }, { provider: 'b', priority: 1 }], hedge: '60ms' },
        patient: { provider: 'a', retry: { attempts: 2, backoff: '1ms' } },
        other: {
          targets: [{ provider: 'a' }, { provider: 'claude' }, { provider: 'b' }],
          balance: 'round-robin',
        },
      },
      {
        retry: { budget: 100, backoff_max: '2s' },
      },
      {},
      { claude: { dialect: 'anthropic', base_url: 'http://127.0.0.1:1' } },
    );
  });

  after(() => scene.stop());

  it('P-18 a-fallback-is-asked-by-its-own-name', async () => {
    scene.play({ a: fail(503) });
    const { answer, line, attempts } = await scene.ask('chained');
    assert.equal(answer.status, 200);
    assert.deepEqual(tell(attempts), ['a:overloaded', 'b:ok']);
    assert.equal(attempts?.[1]?.model, 'second');
    assert.equal(line['model'], 'chained');
    assert.equal(line['target_model'], 'second');
    assert.equal(JSON.parse(`${scene.upstreams.b.requests.at(-1)?.body}`).model, 'second');
  });

  it('P-18 fallbacks-are-tried-in-turn-and-have-none-of-their-own', async () => {
    scene.play({ a: fail(503), b: [rst()] });
    const { answer, attempts } = await scene.ask('chained');
    assert.equal(answer.status, 200);
    assert.deepEqual(tell(attempts), ['a:overloaded', 'b:reset_before_head', 'c:ok']);
    assert.equal(attempts?.[2]?.model, 'third-at-c');
    scene.play({ a: fail(503), b: fail(500), c: fail(502) });
    const last = await scene.ask('chained');
    assert.equal(last.answer.status, 502);
    assert.deepEqual(tell(last.attempts), ['a:overloaded', 'b:server_error', 'c:server_error']);
  });

  it('P-18 a-prompt-that-is-too-long-goes-to-the-chain-for-it', async () => {
    scene.play({ a: fail(400, 'context_length_exceeded') });
    const { answer, attempts } = await scene.ask('chained');
    assert.equal(answer.status, 200);
    assert.deepEqual(tell(attempts), ['a:context_length', 'c:ok']);
    const alone = await scene.ask('patient');
    assert.equal(alone.answer.status, 400);
    assert.match(alone.answer.body.toString(), /context_length_exceeded/);
  });

  it('P-18 what-a-filter-refuses-goes-to-the-chain-for-it', async () => {
    scene.play({ a: fail(400, 'content_filter') });
    const { attempts } = await scene.ask('chained');
    assert.deepEqual(tell(attempts), ['a:content_filter', 'b:ok']);
  });

  it('P-18 who-speaks-another-dialect-does-not-take-over', async () => {
    scene.play({ a: fail(503) });
    for (let turn = 0; turn < 3; turn += 1) {
      const { attempts } = await scene.ask('other');
      assert.ok(
        tell(attempts)
          .slice(1)
          .every((told) => !told.startsWith('claude')),
      );
    }
  });

  it('P-18 a-hedge-answers-for-a-slow-target', async () => {
    scene.play({ a: [stall()] });
    const { answer, attempts } = await scene.ask('hedged');
    assert.equal(answer.status, 200);
    assert.equal(answer.header('x-weir-attempts'), '2');
    assert.equal(answer.header('x-weir-provider'), 'b');
    assert.deepEqual(tell(attempts), ['a:outrun', 'b:ok']);
    await scene.upstreams.a.requests.at(-1)?.connection.waitForClose();
    await waitForMetric(scene.gateway, 'weir_body_bytes_held', 0);
  });

  it('P-18 a-silent-target-is-ejected-though-its-hedges-answer', async () => {
    scene.play({ a: [stall()] });
    for (let asked = 0; asked < 5; asked += 1) {
      const { attempts } = await scene.ask('mute');
      assert.deepEqual(tell(attempts), ['a:outrun', 'b:ok']);
    }
    const { answer, attempts } = await scene.ask('mute');
    assert.equal(answer.header('x-weir-provider'), 'b');
    assert.equal(attempts, null, 'it is asked no more');
  });

  it('P-18 a-hedge-that-is-slower-is-cancelled', async () => {
    let answerNow = (): void => {};
    const go = new Promise<void>((resolve) => {
      answerNow = resolve;
    });
    scene.play({ a: [() => go, ...GOOD], b: [stall()] });
    const asked = scene.ask('hedged');
    const beside = await scene.upstreams.b.waitForRequest(scene.counts().b);
    answerNow();
    const { answer, attempts } = await asked;
    assert.deepEqual(answer.json(), { good: true });
    assert.deepEqual(tell(attempts), ['b:outrun', 'a:ok']);
    await beside.connection.waitForClose();
  });

  it('P-18 a-hedge-whose-stream-only-begins-outruns-one-that-has-content', async () => {
    let speakNow = (): void => {};
    const go = new Promise<void>((resolve) => {
      speakNow = resolve;
    });
    const head = send(
      renderHead('HTTP/1.1 200 OK', [
        ['content-type', 'text/event-stream'],
        ['transfer-encoding', 'chunked'],
      ]),
    );
    const say = (delta: object): Script[number] =>
      send(renderChunk(`data: ${JSON.stringify({ choices: [{ delta }] })}\n\n`));
    const role = say({ role: 'assistant', content: '' });
    const end = send('0\r\n\r\n');
    scene.play({
      a: [() => go, head, role, say({ content: 'from a' }), end],
      b: [head, role, stall()],
    });
    const asked = scene.ask('hedged', { stream: true });
    const beside = await scene.upstreams.b.waitForRequest(scene.counts().b);
    await scene.upstreams.b.waitFor(
      () => (beside.connection.sent.length >= 2 ? true : undefined),
      5000,
      'head and role of the hedge',
    );
    speakNow();
    const { answer, attempts } = await asked;
    assert.match(answer.text, /from a/);
    assert.deepEqual(tell(attempts), ['b:outrun', 'a:ok']);
    await beside.connection.waitForClose();
  });

  it('P-18 a-hedge-takes-over-when-the-first-fails', async () => {
    let failNow = (): void => {};
    const go = new Promise<void>((resolve) => {
      failNow = resolve;
    });
    let goOn = (): void => {};
    const later = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    scene.play({ a: [() => go, rst()], b: [() => later, ...GOOD] });
    const asked = scene.ask('hedged');
    await scene.upstreams.b.waitForRequest(scene.counts().b);
    failNow();
    await scene.waitForAttempt('hedged', 'a', 'reset_before_head');
    goOn();
    const { answer, attempts } = await asked;
    assert.equal(answer.status, 200);
    assert.deepEqual(tell(attempts), ['a:reset_before_head', 'b:ok']);
  });

  it('P-18 a-target-is-not-asked-again-before-it-wants-to-be', async () => {
    scene.play({ a: fail(429, 'x', ['retry-after-ms', '400']) });
    const from = scene.counts().a;
    const { attempts } = await scene.ask('patient');
    assert.equal(attempts?.length, 2);
    const [first, second] = scene.upstreams.a.requests.slice(from);
    assert.equal(second?.connection, first?.connection, 'the connection is kept');
    const [refused, again] = second?.connection.sent.slice(-2) ?? [];
    const waitedMs = (again?.atMs ?? 0) - (refused?.atMs ?? 0);
    // Both moments are those at which the kernel was seen to have taken an answer.
    assert.ok(waitedMs >= 390, `asked again after ${waitedMs} ms`);
    scene.play({ a: fail(429, 'x', ['retry-after', '3']) });
    const { attempts: once } = await scene.ask('patient');
    assert.equal(once?.length, 1, 'beyond backoff_max the caller waits, not Weir');
  });

  it('P-18 a-target-that-names-a-time-in-its-error’s-body-is-asked-before-it', async () => {
    const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '0.4s' }];
    const error = { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'Quota exceeded', details };
    scene.play({ a: [send(renderJson([{ error }], { status: 429 }))] });
    const from = scene.counts().a;
    const { attempts } = await scene.ask('patient');
    assert.deepEqual(tell(attempts), ['a:throttled', 'a:throttled']);
    const [refused, again] = scene.upstreams.a.requests[from + 1]?.connection.sent.slice(-2) ?? [];
    const waitedMs = (again?.atMs ?? 0) - (refused?.atMs ?? 0);
    // Both moments are those at which the kernel was seen to have taken an answer.
    assert.ok(waitedMs >= 390, `asked again after ${waitedMs} ms`);
    const slow = { ...error, details: [{ ...details[0], retryDelay: '34s' }] };
    scene.play({ a: [send(renderJson([{ error: slow }], { status: 429 }))] });
    const { attempts: once, answer } = await scene.ask('patient');
    assert.deepEqual(tell(once), ['a:throttled'], 'beyond backoff_max the caller waits, not Weir');
    assert.deepEqual(answer.json(), [{ error: slow }]);
    const { throttled_ms } = await readTarget(scene.gateway, 'patient', 'a');
    assert.ok(throttled_ms > 20_000 && throttled_ms <= 34_000, `${throttled_ms} ms`);
  });

  it('P-12 client-leaves-while-a-second-attempt-is-waited-for', async () => {
    scene.play({ a: fail(429, 'x', ['retry-after-ms', '700']) });
    const client = await RawClient.connect({ port: scene.gateway.port });
    const from = scene.counts().a;
    const lines = scene.gateway.accessLines().length;
    client.send(renderRequest({ target: '/v1/chat/completions', body: '{"model":"patient"}' }));
    const { connection } = await scene.upstreams.a.waitForRequest(from);
    await scene.upstreams.a.waitFor(
      () => (connection.sentBytes > 0 ? true : undefined),
      5000,
      'the refusal',
    );
    await waitForMetric(scene.gateway, 'weir_exchanges_in_flight', 1);
    client.reset();
    const leftAtMs = Date.now();
    const all = await scene.gateway.waitForAccessLines(lines + 1);
    const line = all.at(-1);
    assert.deepEqual(line?.['ended'], { by: 'downstream', phase: 'waiting', reason: 'aborted' });
    assertPrompt([Number(line?.['time']) - leftAtMs], 'from leaving to the end');
    await waitForMetric(scene.gateway, 'weir_body_bytes_held', 0);
    // As long as the wait would have been, and then some.
    await pause(900);
    assert.equal(scene.counts().a, from + 1);
  });

  it('P-18 an-endless-error-costs-its-connection-and-not-the-caller', async () => {
    const head = renderHead('HTTP/1.1 503 Gone', [['transfer-encoding', 'chunked']]);
    scene.play({ a: [send(head), send(renderChunk('x')), stall()] });
    const { answer } = await scene.ask('chained');
    assert.equal(answer.status, 200);
    await scene.upstreams.a.requests.at(-1)?.connection.waitForClose();
  });
});

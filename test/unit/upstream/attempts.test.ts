/** Attempts between a relay and calls that are both made up: what can't be timed on real sockets. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Deadlines } from '../../../src/core/deadlines.js';
import { GatewayError } from '../../../src/core/errors.js';
import type { Phase } from '../../../src/exchange.js';
import { ByteBudget } from '../../../src/inspect/budget.js';
import { ModelTable } from '../../../src/route/models.js';
import type { AttemptParts } from '../../../src/upstream/attempt-parts.js';
import { AttemptPlans } from '../../../src/upstream/attempt-plan.js';
import { AttemptReports } from '../../../src/upstream/attempt-reports.js';
import { Attempts } from '../../../src/upstream/attempts.js';
import type { UpstreamObserver } from '../../../src/upstream/call.js';
import { KeptBodies } from '../../../src/upstream/kept-bodies.js';
import { type ResponseHead, readHeaders } from '../../../src/upstream/response-head.js';
import { RetryBudget } from '../../../src/upstream/retry-budget.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { createRoutesConfig } from '../../helpers/observe-config.js';
import { createExchange } from '../../helpers/stage-fakes.js';
import { Turns } from '../../helpers/turns.js';
import { UNWATCHED_HEALTH, UNWATCHED_LOAD } from '../../helpers/unwatched-targets.js';

class Call {
  phase: Phase = 'waiting';
  endedIn: Phase = 'waiting';
  isCancelled = false;

  constructor(
    readonly provider: string,
    public observer: UpstreamObserver,
  ) {}

  handOver(observer: UpstreamObserver): void {
    this.observer = observer;
  }

  cancel(): void {
    this.isCancelled = true;
    this.phase = 'done';
  }

  head(status = 200, type = 'text/event-stream'): this {
    this.phase = 'streaming';
    const head: ResponseHead = readHeaders(status, 'OK', `content-type: ${type}\r\n`);
    this.observer.onUpstreamHead(head, performance.now());
    return this;
  }

  data(...texts: string[]): this {
    for (const text of texts) {
      const lent = Buffer.from(text);
      this.observer.onUpstreamData(lent);
      this.observer.onUpstreamTurn();
      lent.fill('!');
    }
    return this;
  }

  end(): void {
    this.phase = 'done';
    this.observer.onUpstreamEnd();
  }

  fail(code: 'upstream_cut' | 'upstream_reset' = 'upstream_cut'): void {
    this.phase = 'done';
    this.observer.onUpstreamFailure(new GatewayError(code, 'broken'));
  }
}

/** Providers p, q, r; `s` never begins: its calls fail while they are made. */
class Stage {
  readonly clock: FakeClock;
  readonly calls: Call[] = [];
  /** What the relay is told. */
  readonly told: string[] = [];
  readonly exchange = createExchange({ contentLength: 2 });
  readonly outcomes: string[] = [];
  heldBytes = 0;
  readonly attempts: Attempts;

  constructor(context: TestContext, providers: readonly string[], hedgeMs: number | null = null) {
    this.clock = new FakeClock(context);
    const config = createRoutesConfig({ m: providers });
    const models = config.models.map((model) => ({
      ...model,
      hedgeMs,
      retry: { attemptsMax: 3, backoffMs: 1 },
    }));
    const retry = { attemptsMax: 3, backoffMs: 1, backoffMsMax: 500, budgetPercent: 100 };
    const forwarder = {
      configOf: () => ({
        dialect: 'openai',
        apiKey: 'k',
        asksUsage: true,
      }),
      waitsForToken: () => false,
      forward: (_exchange: unknown, target: { provider: string }, observer: UpstreamObserver) => {
        if (target.provider === 'full') throw new GatewayError('queue_full', 'full');
        const call = new Call(target.provider, observer);
        this.calls.push(call);
        if (target.provider === 'dead') call.fail('upstream_reset');
        return call;
      },
    };
    const table = new ModelTable({ providers: config.providers, models });
    const parts = {
      forwarder,
      models: table,
      balancers: new Turns(UNWATCHED_HEALTH),
      health: UNWATCHED_HEALTH,
      plans: new AttemptPlans({ models, retry }, table.entries, new Deadlines()),
      budget: new RetryBudget(100),
      bodies: new KeptBodies(
        new ByteBudget(1024 * 1024, (bytes) => {
          this.heldBytes = bytes;
        }),
      ),
      reports: new AttemptReports(99, UNWATCHED_HEALTH, UNWATCHED_LOAD, (target, outcome) =>
        this.outcomes.push(`${target.provider}:${outcome}`),
      ),
      createWatch: () => ({ take: (chunk: Buffer) => chunk.includes('token') }),
    } as unknown as AttemptParts;
    const { exchange } = this;
    const bytes = Buffer.from('{"model":"m"}');
    exchange.body = {
      bytes,
      isBorrowed: true,
      upload: null,
      totalBytes: bytes.length,
      modelRange: null,
      isModelJson: true,
    };
    exchange.model = 'm';
    exchange.readyMs = this.clock.nowMs;
    const entry = parts.models.find('m', 'openai');
    const first = entry.targets[0];
    assert.ok(first !== undefined);
    exchange.target = first;
    this.attempts = new Attempts(parts, exchange, entry, first, {
      onUpstreamSent: () => {},
      onUpstreamHead: (head) => this.told.push(`head ${head.status}`),
      onUpstreamData: (chunk) => this.told.push(chunk.toString('latin1')),
      onUpstreamTurn: () => {},
      onUpstreamEnd: () => this.told.push('end'),
      onUpstreamFailure: (failure) =>
        this.told.push(failure instanceof GatewayError ? failure.code : `${failure}`),
    });
  }

  start(): this {
    this.attempts.start();
    bodyIsGone(this);
    return this;
  }

  call(number: number): Call {
    const call = this.calls[number];
    assert.ok(call !== undefined, `no call ${number}`);
    return call;
  }
}

/** uWebSockets.js's memory is overwritten once the handler has returned. */
function bodyIsGone({ exchange }: Stage): void {
  if (exchange.body?.isBorrowed === true) exchange.body.bytes.fill(0x21);
}

test('a head alone is nothing that the client has got: what breaks off then is replaced', (context) => {
  const stage = new Stage(context, ['p', 'q']).start();
  stage.call(0).head().fail();
  assert.equal(stage.call(1).provider, 'q');
  assert.equal(Buffer.from(stage.exchange.body?.bytes ?? []).toString(), '{"model":"m"}');
  stage.call(1).head().data('data: 1\n\n').end();
  assert.deepEqual(stage.told, ['head 200', 'data: 1\n\n', 'end']);
  assert.deepEqual(stage.outcomes, ['p:reset_after_head', 'q:ok']);
  assert.equal(stage.heldBytes, 0);
});

test('calls that fail while they are made, or can’t be made, lead to the next', (context) => {
  const stage = new Stage(context, ['dead', 'full', 'r']).start();
  assert.equal(stage.calls.at(-1)?.provider, 'r');
  stage.calls.at(-1)?.head().data('x').end();
  assert.deepEqual(stage.told, ['head 200', 'x', 'end']);
  assert.deepEqual(stage.outcomes, ['dead:reset_before_head', 'full:queue', 'r:ok']);
});

test('the last error goes to the caller when nobody is left', (context) => {
  const stage = new Stage(context, ['full', 'full']).start();
  assert.deepEqual(stage.told, ['queue_full']);
  assert.equal(stage.heldBytes, 0);
  assert.equal(stage.exchange.attempts?.length, 2);
});

test('a defect is not tried again', (context) => {
  const stage = new Stage(context, ['p', 'q']).start();
  stage.call(0).observer.onUpstreamFailure('defect');
  assert.deepEqual(stage.told, ['defect']);
  assert.equal(stage.calls.length, 1);
  assert.deepEqual(stage.outcomes, ['p:other']);
});

test('with a hedge a stream is held until its first token, and goes down in its order then', (context) => {
  const stage = new Stage(context, ['p', 'q'], 100).start();
  stage.call(0).head().data(': comment\n\n', 'data: role\n\n');
  assert.deepEqual(stage.told, []);
  stage.clock.advance(200);
  assert.equal(stage.call(1).provider, 'q', 'the hedge’s time runs until the token');
  stage.call(0).data('data: token\n\n').end();
  assert.deepEqual(stage.told, [
    'head 200',
    ': comment\n\n',
    'data: role\n\n',
    'data: token\n\n',
    'end',
  ]);
  assert.equal(stage.call(1).isCancelled, true);
  assert.deepEqual(stage.outcomes, ['q:outrun', 'p:ok']);
});

test('what was held of a stream that the hedge outruns never reaches the client', (context) => {
  const stage = new Stage(context, ['p', 'q'], 100).start();
  stage.call(0).head().data('data: role\n\n');
  stage.clock.advance(200);
  stage.call(1).head().data('data: token of q\n\n').end();
  assert.deepEqual(stage.told, ['head 200', 'data: token of q\n\n', 'end']);
  assert.equal(stage.call(0).isCancelled, true);
  assert.deepEqual(stage.outcomes, ['p:outrun', 'q:ok']);
});

test('what was held of a stream that broke off is forgotten with it', (context) => {
  const stage = new Stage(context, ['p', 'q'], 100).start();
  stage.call(0).head().data('data: role\n\n').fail();
  stage.call(1).head().data('data: token\n\n').end();
  assert.deepEqual(stage.told, ['head 200', 'data: token\n\n', 'end']);
});

test('a compressed stream, whose tokens nobody sees, is held no longer than its head', (context) => {
  const stage = new Stage(context, ['p', 'q'], 50).start();
  stage.call(0).head(200, 'text/event-stream\r\ncontent-encoding: gzip').data('packed');
  assert.deepEqual(stage.told, ['head 200', 'packed']);
});

test('a stream that ends without a token is an answer too', (context) => {
  const stage = new Stage(context, ['p', 'q'], 100).start();
  stage.call(0).head().data('data: role\n\n').end();
  assert.deepEqual(stage.told, ['head 200', 'data: role\n\n', 'end']);
});

test('an exchange that is given up takes both calls along, and nothing is made after it', (context) => {
  const stage = new Stage(context, ['p', 'q'], 100).start();
  stage.clock.advance(200);
  stage.attempts.cancel();
  assert.deepEqual([stage.call(0).isCancelled, stage.call(1).isCancelled], [true, true]);
  assert.deepEqual(stage.outcomes, ['p:aborted', 'q:aborted']);
  assert.equal(stage.heldBytes, 0);
  stage.clock.advance(1000);
  assert.equal(stage.calls.length, 2);
});

test('an error that does not end is passed on after a second, with what came of it', (context) => {
  const stage = new Stage(context, ['p', 'q']).start();
  stage.call(0).head(400, 'application/json').data('{"error":');
  assert.deepEqual(stage.told, []);
  stage.clock.advance(1100);
  assert.deepEqual(stage.told, ['head 400', '{"error":']);
  stage.call(0).data('1}').end();
  assert.deepEqual(stage.told, ['head 400', '{"error":', '1}', 'end']);
  assert.deepEqual(stage.outcomes, ['p:bad_request']);
});

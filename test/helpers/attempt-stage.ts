/** Attempts between a relay and calls that are both made up. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { ModelConfig } from '../../src/config/model.js';
import { Deadlines } from '../../src/core/deadlines.js';
import { GatewayError } from '../../src/core/errors.js';
import type { Phase, Settled } from '../../src/exchange.js';
import { ByteBudget } from '../../src/inspect/budget.js';
import { KeptBodies } from '../../src/inspect/kept-bodies.js';
import { ModelTable } from '../../src/route/models.js';
import type { AttemptParts, RelayCall } from '../../src/upstream/attempt-parts.js';
import { AttemptPlans } from '../../src/upstream/attempt-plan.js';
import { AttemptReports } from '../../src/upstream/attempt-reports.js';
import { Attempts } from '../../src/upstream/attempts.js';
import type { UpstreamObserver } from '../../src/upstream/call.js';
import { endAttempts } from '../../src/upstream/direct-attempt.js';
import { FirstAttempt } from '../../src/upstream/first-attempt.js';
import { type ResponseHead, readHeaders } from '../../src/upstream/response-head.js';
import { RetryBudget } from '../../src/upstream/retry-budget.js';
import { FakeClock } from './fake-clock.js';
import { createRoutesConfig } from './observe-config.js';
import { createExchange } from './stage-fakes.js';
import { Turns } from './turns.js';
import { UNWATCHED_HEALTH, UNWATCHED_LOAD } from './unwatched-targets.js';

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

  /** @param waitedMs of the time since it was made. */
  send(atMs: number, waitedMs: number): this {
    this.observer.onUpstreamSent(atMs, waitedMs);
    return this;
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
      this.observer.onUpstreamTurn(performance.now());
      lent.fill('!');
    }
    return this;
  }

  end(): void {
    this.phase = 'done';
    this.observer.onUpstreamEnd(performance.now());
  }

  fail(code: 'upstream_cut' | 'upstream_reset' = 'upstream_cut'): void {
    this.phase = 'done';
    this.observer.onUpstreamFailure(new GatewayError(code, 'broken'));
  }
}

/** Providers as named; the calls of `dead` fail while they are made, and of `full` none can be made. */
export class AttemptStage {
  readonly clock: FakeClock;
  readonly calls: Call[] = [];
  /** What the relay is told. */
  readonly told: string[] = [];
  /** The request was written, and how long that was waited for, as the relay is told. */
  readonly sent: (readonly [atMs: number, waitedMs: number])[] = [];
  readonly exchange = createExchange({ contentLength: 2 });
  readonly outcomes: string[] = [];
  /** Places of targets whose pace was measured. */
  readonly paced: number[] = [];
  /** In tokens per second. */
  readonly paces: number[] = [];
  /** What a whole answer has used, as is known when its exchange is over. */
  used: Settled | null = null;
  heldBytes = 0;
  readonly #parts: AttemptParts;
  readonly #attempt: FirstAttempt | Attempts;
  /** What the relay holds on to. */
  #relayed: RelayCall;

  constructor(
    context: TestContext,
    providers: readonly string[],
    hedgeMs: number | null = null,
    balance: ModelConfig['balance'] = 'weighted',
  ) {
    this.clock = new FakeClock(context);
    const config = createRoutesConfig({ m: providers });
    const models = config.models.map((model) => ({
      ...model,
      hedgeMs,
      balance,
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
    const load = {
      ...UNWATCHED_LOAD,
      recordAnswer: (index: number, _firstMs: number, pace: number): void => {
        this.paced.push(index);
        this.paces.push(pace);
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
      reports: new AttemptReports(99, UNWATCHED_HEALTH, load, (target, outcome) =>
        this.outcomes.push(`${target.provider}:${outcome}`),
      ),
      createWatch: () => ({ take: (chunk: Buffer) => chunk.includes('token') }),
    } as unknown as AttemptParts;
    const { exchange } = this;
    const budget = new ByteBudget(1024 * 1024, (bytes) => {
      this.heldBytes = bytes;
    });
    const text = Buffer.from('{"model":"m"}');
    const place = new KeptBodies(budget).reserve(text.length);
    assert.ok(place !== null);
    const bytes = place.fill(text);
    exchange.bodyHold = place;
    exchange.body = {
      bytes,
      isBorrowed: false,
      place,
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
    const Attempt = hedgeMs === null ? FirstAttempt : Attempts;
    this.#attempt = new Attempt(parts, exchange, entry, first, {
      begin: (call) => {
        this.#relayed = call;
      },
      onUpstreamSent: (atMs, waitedMs) => {
        this.sent.push([atMs, waitedMs]);
        exchange.sentMs = atMs;
      },
      onUpstreamHead: (head, atMs) => {
        this.told.push(`head ${head.status}`);
        exchange.headMs = atMs;
        exchange.upstreamStatus = head.status;
        exchange.dropBody(false);
      },
      onUpstreamData: (chunk) => this.told.push(chunk.toString('latin1')),
      onUpstreamTurn: () => {},
      onUpstreamEnd: (atMs) => {
        this.told.push('end');
        exchange.isUpstreamDone = true;
        exchange.upstreamDoneMs = atMs;
        exchange.settled = this.used;
        this.#end();
      },
      onUpstreamFailure: (failure) => {
        this.told.push(failure instanceof GatewayError ? failure.code : `${failure}`);
        if (failure instanceof GatewayError) exchange.error = failure;
        this.#end();
      },
    });
    this.#relayed = this.#attempt;
    this.#parts = parts;
  }

  /** As the relay does where its client has gone. */
  cancel(): void {
    this.#relayed.cancel();
    this.#end();
  }

  /** As the worker does when the exchange is over. */
  #end(): void {
    const { exchange } = this;
    endAttempts(this.#parts, exchange, this.clock.nowMs);
    exchange.dropBody(true);
  }

  start(): this {
    this.#attempt.start();
    return this;
  }

  call(number: number): Call {
    const call = this.calls[number];
    assert.ok(call !== undefined, `no call ${number}`);
    return call;
  }
}

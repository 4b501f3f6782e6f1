/** The last stage: counts an exchange that is over, records its latencies and, some time later, writes its line. */
import type { WeirConfig } from '../config/model.js';
import { DayTime } from '../core/clock.js';
import type { Exchange, Settled } from '../exchange.js';
import type { AccessRecord, AccessUsage, WriteAccessLine } from './access-line.js';
import { type AccessSampler, isUneventful } from './access-sampler.js';
import { type CounterColumn, type CounterLayout, type RouteSlots, statusSlot } from './counters.js';
import { findEndCode } from './end-codes.js';
import type { ExchangeTrail } from './exchange-trail.js';
import type { WorkerHistograms } from './histograms.js';
import { findStatusClass } from './status-classes.js';
import type { Tally } from './tally.js';
import { timePerTokenMs } from './token-time.js';

const US_PER_MS = 1000;

export class Recorder {
  readonly #layout: CounterLayout;
  readonly #column: CounterColumn;
  readonly #histograms: WorkerHistograms;
  readonly #writeLine: WriteAccessLine | null;
  readonly #trail: ExchangeTrail | null;
  readonly #tally: Tally | null;
  readonly #sampler: AccessSampler | null;
  readonly #dayTime = new DayTime();
  #inFlight = 0;

  constructor(
    layout: CounterLayout,
    column: CounterColumn,
    histograms: WorkerHistograms,
    /** null: the access log is off. */
    writeLine: WriteAccessLine | null,
    trail: ExchangeTrail | null = null,
    tally: Tally | null = null,
    /** null: every exchange has a line. */
    sampler: AccessSampler | null = null,
  ) {
    this.#layout = layout;
    this.#column = column;
    this.#histograms = histograms;
    this.#writeLine = writeLine;
    this.#trail = trail;
    this.#tally = tally;
    this.#sampler = sampler;
  }

  get hasLines(): boolean {
    return this.#writeLine !== null;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  begin(): void {
    this.#inFlight += 1;
    this.#column.add(this.#layout.fixed.exchangesInFlight, 1);
    this.#column.add(this.#layout.fixed.exchangesTotal, 1);
  }

  /** @param endedMs when it was over; of core/clock.ts. */
  end(exchange: Exchange, endedMs: number): void {
    this.#inFlight -= 1;
    const column = this.#column;
    const { fixed } = this.#layout;
    column.add(fixed.exchangesInFlight, -1);
    column.add(fixed.bytesReceived, exchange.requestBytes);
    column.add(fixed.bytesSent, exchange.responseBytes);
    if (exchange.error !== null) {
      column.add(this.#layout.refused[exchange.error.code], 1);
    }
    const route = this.#routeOf(exchange);
    if (route !== null) {
      this.#countRoute(exchange, route, endedMs);
    } else if (exchange.ended?.by === 'downstream') {
      column.add(fixed.abortedUnrouted, 1);
    }
    this.#tally?.count(exchange, route === null ? -1 : route.index, endedMs);
    this.#trail?.offer(exchange, endedMs);
  }

  /** Its line, where it has one; after end(), at any time. */
  writeLine(exchange: Exchange, endedMs: number): void {
    if (this.#writeLine !== null) {
      if (this.#sampler === null) {
        this.#writeLine(describe(exchange, endedMs, this.#dayTime.of(endedMs), null));
      } else {
        this.#writeSample(exchange, endedMs, this.#writeLine, this.#sampler);
      }
    }
  }

  /** What ended well has a line now and then, all else always. */
  #writeSample(
    exchange: Exchange,
    endedMs: number,
    writeLine: WriteAccessLine,
    sampler: AccessSampler,
  ): void {
    if (!isUneventful(exchange)) {
      writeLine(describe(exchange, endedMs, this.#dayTime.of(endedMs), null));
    } else if (sampler.take()) {
      writeLine(describe(exchange, endedMs, this.#dayTime.of(endedMs), sampler.share));
    } else {
      this.#column.add(this.#layout.fixed.logLinesSampledOut, 1);
    }
  }

  #routeOf({ target }: Exchange): RouteSlots | null {
    return target === null ? null : (this.#layout.routes[target.index] ?? null);
  }

  #countRoute(exchange: Exchange, route: RouteSlots, endedMs: number): void {
    const column = this.#column;
    column.add(route.requestBytes, exchange.requestBytes);
    column.add(route.responseBytes, exchange.responseBytes);
    if (exchange.settled !== null) {
      this.#countUsage(exchange, exchange.settled, route);
    }
    const by = exchange.ended?.by;
    if (by === 'downstream') {
      column.add(route.endedByDownstream, 1);
    } else if (exchange.error !== null) {
      column.add(by === 'upstream' ? route.endedByUpstream : route.endedByGateway, 1);
    }
    if (exchange.headMs > 0 && exchange.status !== null) {
      column.add(statusSlot(route, exchange.status), 1);
    }
    this.#recordTimes(exchange, route.index, endedMs);
  }

  /** docs/dashboard.md says from which moment to which each of them is. */
  #recordTimes(exchange: Exchange, route: number, endedMs: number): void {
    const histograms = this.#histograms;
    const { startedMs, firstByteMs, firstTokenMs, status } = exchange;
    if (exchange.headMs > 0 && status !== null) {
      // A client that leaves between the provider's head and its first byte has seen none.
      if (firstByteMs > 0) {
        histograms.recordFirstByte(route, (firstByteMs - startedMs) * US_PER_MS);
      }
      histograms.recordAdded(exchange.addedMs * US_PER_MS);
    }
    if (exchange.sentMs > 0) {
      histograms.recordAddedBefore(exchange.addedBeforeMs * US_PER_MS);
    }
    if (exchange.answerReadMs > 0) {
      histograms.recordAddedAfter(exchange.addedAfterMs * US_PER_MS);
    }
    if (firstTokenMs > 0) {
      histograms.recordFirstToken(route, (firstTokenMs - startedMs) * US_PER_MS);
      const tokenMs = timePerTokenMs(exchange, endedMs);
      if (tokenMs >= 0) {
        histograms.recordOutputToken(route, tokenMs * US_PER_MS);
      }
    }
    const durationUs = (endedMs - startedMs) * US_PER_MS;
    histograms.recordDuration(route, durationUs, findStatusClass(status));
  }

  #countUsage({ estimate }: Exchange, settled: Settled, route: RouteSlots): void {
    const column = this.#column;
    const { usage } = settled;
    column.add(route.inputTokens, usage.inputTokens);
    column.add(route.outputTokens, usage.outputTokens);
    column.add(route.cachedInputTokens, usage.cachedInputTokens);
    column.add(route.reasoningTokens, usage.reasoningTokens);
    column.add(route.costNanoDollars, settled.costNanoDollars);
    if (!settled.isPriced) {
      column.add(route.unpriced, 1);
    }
    const tokens = usage.inputTokens + usage.outputTokens;
    if (!settled.isEstimated && estimate !== null && tokens > 0) {
      const estimated = estimate.inputTokens + estimate.outputTokens;
      this.#histograms.recordEstimate(route.index, estimated / tokens);
    }
  }
}

function describe(
  exchange: Exchange,
  endedMs: number,
  wallMs: number,
  sample: number | null,
): AccessRecord {
  const { target, error } = exchange;
  return {
    wallMs,
    id: exchange.id,
    consumer: exchange.identity?.consumerName ?? null,
    method: exchange.head.method,
    path: exchange.head.path,
    client: exchange.head.clientAddress,
    dialect: exchange.dialect,
    model: exchange.model,
    targetModel: target === null ? null : (target.model ?? exchange.model),
    provider: target?.provider ?? null,
    status: exchange.status,
    requestBytes: exchange.requestBytes,
    responseBytes: exchange.responseBytes,
    firstByteMs: exchange.firstByteMs > 0 ? exchange.firstByteMs - exchange.startedMs : null,
    durationMs: endedMs - exchange.startedMs,
    addedMs: exchange.headMs > 0 ? exchange.addedMs : null,
    ended: exchange.ended ?? { by: 'gateway', phase: 'done', reason: 'unknown' },
    end: findEndCode(exchange),
    error: error === null ? null : { code: error.code, detail: error.message },
    attempts: exchange.attempts,
    usage: exchange.settled === null ? null : describeUsage(exchange.settled),
    sample,
  };
}

function describeUsage({ usage, costNanoDollars, isPriced, isEstimated }: Settled): AccessUsage {
  return {
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    cachedInputTokens: usage.cachedInputTokens,
    reasoningTokens: usage.reasoningTokens,
    costNanoDollars: isPriced ? costNanoDollars : null,
    isEstimated,
  };
}

/** Every credential that the configuration holds, so that none of them gets into a line. */
export function listSecrets(
  config: Pick<WeirConfig, 'providers' | 'admin' | 'usage'> &
    Partial<Pick<WeirConfig, 'traces' | 'debugToken'>>,
): string[] {
  const { debugToken = null, traces = null } = config;
  const ofProviders = config.providers.flatMap(({ apiKey, proxyUrl }) => [
    ...(apiKey === null ? [] : [apiKey]),
    ...(proxyUrl === null ? [] : listProxySecrets(proxyUrl)),
  ]);
  const ofTraces = (traces?.headers ?? []).map(([, value]) => value);
  const tokens = [config.admin.token, debugToken, config.usage?.deliver?.token ?? null];
  return [...tokens.filter((token) => token !== null), ...ofTraces, ...ofProviders];
}

/** The URL, and in all forms in which they are sent or may be repeated, what stands before the `@` of it. */
function listProxySecrets(proxyUrl: string): string[] {
  const { username, password, href } = new URL(proxyUrl);
  if (username === '' && password === '') {
    return [proxyUrl, href];
  }
  const [user, secret] = [decodeURIComponent(username), decodeURIComponent(password)];
  const credentials = `${user}:${secret}`;
  return [
    proxyUrl,
    href,
    `${username}:${password}`,
    credentials,
    Buffer.from(credentials).toString('base64'),
    password,
    secret,
  ].filter((text) => text !== '');
}

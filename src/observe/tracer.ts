/** Decides which exchanges are traced, and describes those when they are over. One worker's, of one configuration. */
import type { TracesConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { nowMs, wallClockMs } from '../core/clock.js';
import { createTraceId, readTraceParent } from '../core/trace-context.js';
import type { Exchange } from '../exchange.js';
import { ExchangeTrace } from './exchange-trace.js';
import type { Redact } from './redact.js';
import type { AttemptTrace, TraceRecord, TraceUsage } from './trace-record.js';

/** Where records go; a full one counts what it can't take. */
export interface TraceDestination {
  add(record: TraceRecord): void;
}

export class Tracer {
  readonly #config: TracesConfig;
  readonly #generation: number;
  readonly #destination: TraceDestination;
  readonly #redact: Redact;
  readonly #random: () => number;

  /**
   * @param redact callers have written keys into paths and into names of models.
   * @param random from 0 to 1, 1 excluded.
   */
  constructor(
    config: TracesConfig,
    generation: number,
    destination: TraceDestination,
    redact: Redact,
    random: () => number = Math.random,
  ) {
    this.#config = config;
    this.#generation = generation;
    this.#destination = destination;
    this.#redact = redact;
    this.#random = random;
  }

  /** Gives the exchange its trace where it is sampled: as its caller decided, else by the share. */
  begin(exchange: Exchange): void {
    const { sample, followsParent, content } = this.#config;
    const { traceparent } = exchange.head;
    const parent = traceparent === null ? null : readTraceParent(traceparent);
    const isSampled =
      parent !== null && followsParent ? parent.isSampled : sample > 0 && this.#random() < sample;
    if (!isSampled) return;
    exchange.trace =
      parent === null
        ? new ExchangeTrace(createTraceId(), '', content)
        : new ExchangeTrace(parent.traceId, parent.spanId, content);
  }

  /** Of an exchange that has a trace. @param endedMs when it was over. */
  end(exchange: Exchange, trace: ExchangeTrace, endedMs: number): void {
    const clip = (text: string): string => this.#redact(text).slice(0, BOUNDS.traceTextCharsMax);
    this.#destination.add(describe(exchange, trace, this.#generation, endedMs, clip));
  }
}

function describe(
  exchange: Exchange,
  trace: ExchangeTrace,
  generation: number,
  endedMs: number,
  clip: (text: string) => string,
): TraceRecord {
  const { head, startedMs, ended, asked, error } = exchange;
  const since = (atMs: number): number => (atMs > 0 ? atMs - startedMs : -1);
  const clipOrNull = (text: string | null): string | null => (text === null ? null : clip(text));
  const { answer } = trace;
  return {
    generation,
    traceId: trace.traceId,
    spanId: trace.spanId,
    parentId: trace.parentId,
    startedWallMs: wallClockMs() - (nowMs() - startedMs),
    id: exchange.id,
    method: head.method,
    path: clip(head.path),
    consumer: exchange.identity?.consumerName ?? null,
    dialect: exchange.dialect,
    model: clipOrNull(exchange.model),
    status: exchange.status,
    isStream: asked?.isStream ?? answer?.isStream ?? false,
    outputTokensMax: asked?.outputTokensMax ?? -1,
    requestBytes: exchange.requestBytes,
    responseBytes: exchange.responseBytes,
    ready: since(exchange.readyMs),
    firstByte: since(exchange.firstByteMs),
    firstToken: since(answer?.firstTokenMs ?? 0),
    ended: endedMs - startedMs,
    endedBy: ended?.by ?? 'gateway',
    endedIn: ended?.phase ?? 'done',
    reason: ended?.reason ?? 'unknown',
    errorCode: error?.code ?? null,
    usage: readUsage(exchange),
    responseModel: clipOrNull(answer?.model ?? null),
    responseId: clipOrNull(answer?.id ?? null),
    attempts: trace.attempts.map((attempt): AttemptTrace => {
      const { spanId, provider, model, status, outcome } = attempt;
      return {
        spanId,
        provider,
        model: clipOrNull(model),
        started: since(attempt.startedMs),
        sent: since(attempt.sentMs),
        head: since(attempt.headMs),
        ended: attempt.endedMs > 0 ? attempt.endedMs - startedMs : endedMs - startedMs,
        status,
        outcome,
      };
    }),
    request: toBase64(trace.request),
    response: toBase64(answer?.content ?? null),
  };
}

function toBase64(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** What the provider said, never an estimate. */
function readUsage({ settled, meter }: Exchange): TraceUsage | null {
  const usage = settled !== null && !settled.isEstimated ? settled.usage : (meter?.usage ?? null);
  if (usage === null) return null;
  const { inputTokens, outputTokens, cachedInputTokens, cacheWriteTokens, reasoningTokens } = usage;
  return { inputTokens, outputTokens, cachedInputTokens, cacheWriteTokens, reasoningTokens };
}

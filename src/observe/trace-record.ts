/**
 * What a worker tells of a sampled exchange: ids, names, moments and figures, from which the exporter's thread makes the
 * spans. Moments are milliseconds from the exchange's beginning; -1 for what it did not come to.
 */

/** A call to a provider; one client span. */
export interface AttemptTrace {
  readonly spanId: string;
  readonly provider: string;
  /** As the provider was asked for it; null where the request names none. */
  readonly model: string | null;
  readonly started: number;
  /** The request was written. */
  readonly sent: number;
  /** The answer's head came. */
  readonly head: number;
  readonly ended: number;
  /** 0: there was no answer. */
  readonly status: number;
  /** As in the access log: `ok`, a class of failure, `aborted`, `outrun`, `other`. */
  readonly outcome: string;
}

export interface TraceUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedInputTokens: number;
  readonly cacheWriteTokens: number;
  readonly reasoningTokens: number;
}

/** One server span, and one client span for each attempt. */
export interface TraceRecord {
  /** Which configuration it ran with: that one says where its spans go. */
  readonly generation: number;
  readonly traceId: string;
  readonly spanId: string;
  /** The caller's span; empty where the trace begins here. */
  readonly parentId: string;
  /** Unix time of the beginning, in milliseconds with a fraction. */
  readonly startedWallMs: number;
  readonly id: string;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly consumer: string | null;
  readonly dialect: string;
  /** As the client wrote it. */
  readonly model: string | null;
  /** null: nothing was answered. */
  readonly status: number | null;
  readonly isStream: boolean;
  readonly outputTokensMax: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly ready: number;
  readonly firstByte: number;
  /** Of a stream: what a model made began to come. */
  readonly firstToken: number;
  readonly ended: number;
  readonly endedBy: string;
  readonly endedIn: string;
  readonly reason: string;
  /** A code of core/errors.ts; null: there was no error of Weir’s. */
  readonly errorCode: string | null;
  /** What the provider said; null where it said nothing, or nobody could read it. */
  readonly usage: TraceUsage | null;
  /** As the answer says; null where it was not found. */
  readonly responseModel: string | null;
  readonly responseId: string | null;
  readonly attempts: readonly AttemptTrace[];
  /** Both bodies, where `traces.content` asks for them; in base64, because records travel as JSON. */
  readonly request: string | null;
  readonly response: string | null;
}

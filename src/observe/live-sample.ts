/**
 * What the dashboard is told, as JSON: the shape once, then a sample each second. Figures that only grow are sent as they
 * stand, so that a sample that is missed costs nothing: a reader takes differences.
 */

/** What does not change while the server runs with one configuration. */
export interface LiveShape {
  /** Another one means another start: differences to earlier samples mean nothing. */
  readonly startId: string;
  readonly version: string;
  readonly node: string;
  readonly startedAtMs: number;
  readonly workers: number;
  /** In the order of LiveSample.routes and .targets. */
  readonly routes: readonly { readonly model: string; readonly provider: string }[];
  /** In the order of LiveSample.providers. */
  readonly providers: readonly string[];
  readonly consumerCount: number;
  /** Lower ends of the heat map's rows, in milliseconds, ascending. */
  readonly heatBoundsMs: readonly number[];
  /** Percent, in the order of LivePercentiles.values. */
  readonly percentiles: readonly number[];
}

export interface LiveTotals {
  readonly exchanges: number;
  /** Answered or cut with an error of Weir's own. */
  readonly refused: number;
  readonly inFlight: number;
  readonly connections: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** Resident memory of the process, in bytes. */
  readonly memory: number;
}

/** Of one route, that is one target of one model. */
export interface LiveRoute {
  /** Answers by class of status: 1xx to 5xx. */
  readonly statuses: readonly number[];
  readonly aborted: number;
  /** By the provider's doing: no answer, or one that broke off. */
  readonly failed: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedInputTokens: number;
  readonly costNanoDollars: number;
}

export interface LiveTarget {
  readonly state: 'closed' | 'half-open' | 'open' | 'drained';
  /** In words, for people. */
  readonly words: string;
}

export interface LiveProvider {
  readonly connections: number;
  readonly queue: number;
  readonly rejected: number;
}

export interface LiveWorker {
  readonly exchanges: number;
  readonly inFlight: number;
  readonly connections: number;
}

/** Of the last minute; null while nothing was measured in it. Milliseconds. */
export interface LivePercentiles {
  readonly count: number;
  readonly mean: number;
  readonly values: readonly number[];
}

export interface LiveLimit {
  readonly consumer: string;
  readonly limit: string;
  readonly kind: string;
  readonly level: number;
  readonly capacity: number;
  readonly held: number;
  readonly refused: number;
}

export interface LiveSample {
  readonly atMs: number;
  readonly totals: LiveTotals;
  readonly routes: readonly LiveRoute[];
  readonly targets: readonly LiveTarget[];
  readonly providers: readonly LiveProvider[];
  readonly workers: readonly LiveWorker[];
  /** Exchanges that ended since the sample before, by how long they took: LiveShape.heatBoundsMs. */
  readonly heat: readonly number[];
  readonly firstByte: LivePercentiles | null;
  /** Of streams. */
  readonly firstToken: LivePercentiles | null;
  /** For each token of a stream after its first one, where the provider counted them. */
  readonly outputToken: LivePercentiles | null;
  readonly duration: LivePercentiles | null;
  readonly added: LivePercentiles | null;
  /** Those that are nearest to empty; see BOUNDS.liveLimitsMax. */
  readonly limits: readonly LiveLimit[];
}

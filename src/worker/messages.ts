/** What the primary and its workers say to each other; packed by core/wire.ts. */
import type { LimitAnswer, LimitAsk } from '../admit/deputy.js';
import type { PriceCatalog } from '../admit/price-catalog.js';
import type { TlsMaterial, WeirConfig } from '../config/model.js';
import type { HeldChange } from '../limits/hand-over.js';
import type { RowPlaces } from '../limits/plan.js';
import type { CounterPlaces } from '../observe/counters.js';
import type { Trail } from '../observe/exchange-trail.js';
import type { SentLines } from '../observe/log-batch.js';
import type { TallyStart } from '../observe/tally.js';

/** What follows from one configuration; the same for all workers. */
export interface GenerationStart {
  /** From 1; each reload that succeeds is one more. */
  readonly number: number;
  readonly config: WeirConfig;
  /** List prices of the configured providers. */
  readonly prices: PriceCatalog;
  /** By provider: what the files of its `tls` hold. */
  readonly tls: readonly (TlsMaterial | null)[];
  readonly counters: SharedArrayBuffer;
  /** Where targets and providers count; also where their load stands. */
  readonly places: CounterPlaces;
  /** What is summed by consumer, provider and target for /metrics. */
  readonly tally: TallyStart;
  /** Of configured consumers, and where each has its rows in it. */
  readonly limits: SharedArrayBuffer;
  readonly limitPlaces: RowPlaces;
  /** Of callers that nobody configured; null: they have no limits. */
  readonly callerLimits: SharedArrayBuffer | null;
  /** Of all targets; see health/table.ts. */
  readonly health: SharedArrayBuffer;
  /** How busy and how fast targets are. */
  readonly targetLoad: SharedArrayBuffer;
}

/** What a worker thread is started with. */
export interface WorkerStart {
  /** From 0. */
  readonly index: number;
  /** Set for the whole server at its start; begins every exchange's id. */
  readonly idPrefix: string;
  readonly startedWallMs: number;
  /** How busy the process and its workers are; see overload/readings.ts. */
  readonly readings: SharedArrayBuffer;
  /** This worker's alone: its log lines on their way to the primary. */
  readonly log: SharedArrayBuffer;
  /** This worker's alone: its usage records on their way to the primary; null: there are none. */
  readonly usage: SharedArrayBuffer | null;
  /** A word: while it is 0, workers stand still where they are told to. */
  readonly gate: SharedArrayBuffer;
  /** Once it listens, it stands still. */
  readonly isHeld: boolean;
  /** The port to listen on, or null where the primary's acceptor hands connections over. */
  readonly port: number | null;
  /** A number of 32 bits: of the generation that is in force, for all workers in the same instant. */
  readonly inForce: SharedArrayBuffer;
  /** That one. */
  readonly generation: GenerationStart;
}

/** What a worker says of a generation, by its number. */
export type GenerationReport =
  /** It is built and can be turned to. */
  | { readonly kind: 'prepared'; readonly number: number }
  | { readonly kind: 'unprepared'; readonly number: number; readonly reason: string }
  /** It is not in force any more, and its last exchange has ended. */
  | { readonly kind: 'retired'; readonly number: number };

/** Sent as it is, not packed: memory that threads share can't be. */
export interface PrepareGeneration {
  readonly kind: 'prepare';
  readonly generation: GenerationStart;
}

/** Why exchanges are cut that are still under way when a worker ends; told in the access log. */
export type ClosingReason = 'draining' | 'worker_failed';

export type ToPrimary =
  | { readonly kind: 'listening'; readonly descriptor: unknown; readonly startMs: number }
  /** The answer to `stop-listening`. */
  | { readonly kind: 'not-listening' }
  /** The answer to `hand-over`: it stands still. */
  | { readonly kind: 'paused' }
  /** Lines that stand in the worker's log memory. */
  | ({ readonly kind: 'log' } & SentLines)
  /** Of traced exchanges, packed by core/wire.ts; `lost` are spans that could not be sent. */
  | {
      readonly kind: 'traces';
      readonly count: number;
      readonly lost: number;
      readonly records: Uint8Array;
    }
  | {
      readonly kind: 'histograms';
      readonly request: number;
      /** Comes along because both are asked for at the same times. */
      readonly trail: Trail;
      readonly snapshots: readonly Uint8Array[];
    }
  /** Asks for the prompt's tokens. */
  | {
      readonly kind: 'count-tokens';
      readonly id: number;
      readonly model: string;
      readonly body: Uint8Array;
    }
  /** The answer to `reload-certificate` where it could not be done. */
  | { readonly kind: 'certificate-refused'; readonly problem: string }
  /** What the operator should know of, and nobody else is told. */
  | { readonly kind: 'warning'; readonly message: string }
  /** Takes from limits that another server keeps; answered by `reserved`. */
  | { readonly kind: 'reserve'; readonly id: number; readonly ask: LimitAsk }
  | { readonly kind: 'settled'; readonly changes: readonly HeldChange[] }
  | {
      readonly kind: 'fault';
      readonly message: string;
      readonly stack: string;
      /** It was caught where it concerns one exchange only, which has been answered. */
      readonly isContained: boolean;
    }
  | GenerationReport
  /** Nothing is in flight any more and every connection is closed; the thread ends by itself. */
  | { readonly kind: 'drained'; readonly cut: number };

export type ToWorker =
  /** null: nobody answered. */
  | { readonly kind: 'reserved'; readonly id: number; readonly answer: LimitAnswer | null }
  | { readonly kind: 'log-taken'; readonly bytes: number }
  /** The oldest message of `traces` that held records need not be answered for any more. */
  | { readonly kind: 'traces-taken' }
  | { readonly kind: 'histograms'; readonly request: number }
  /** null: they could not be counted in time. */
  | { readonly kind: 'tokens-counted'; readonly id: number; readonly tokens: number | null }
  /** Addresses that have as many connections as they may have. */
  | { readonly kind: 'crowded'; readonly addresses: readonly string[] }
  /** Read the files of `listen.tls` again, for new connections. */
  | { readonly kind: 'reload-certificate' }
  /** What is in force has changed; who had no request since would not notice. */
  | { readonly kind: 'turn' }
  /** What was to be prepared does not come into force. */
  | { readonly kind: 'discard'; readonly number: number }
  /** New connections are refused from now on; all else goes on. */
  | { readonly kind: 'stop-listening' }
  /** Another server takes over: clients are told to connect anew. Stand still until the gate opens. */
  | { readonly kind: 'hand-over' }
  /**
   * Finish what runs, for at most so long from now, and end; idle connections are closed when all have been quiet for
   * `lingerMs`. A later one changes the times.
   */
  | {
      readonly kind: 'drain';
      readonly timeoutMs: number;
      readonly lingerMs: number;
      readonly reason: ClosingReason;
    };

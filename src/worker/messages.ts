/** What the primary and its workers say to each other; packed by core/wire.ts. */
import type { PriceCatalog } from '../admit/price-catalog.js';
import type { WeirConfig } from '../config/model.js';
import type { SentLines } from '../observe/log-batch.js';

/** What a worker thread is started with. */
export interface WorkerStart {
  readonly config: WeirConfig;
  /** From 0. */
  readonly index: number;
  /** Set for the whole server at its start; begins every exchange's id. */
  readonly idPrefix: string;
  readonly startedWallMs: number;
  readonly counters: SharedArrayBuffer;
  /** How busy the process and its workers are; see overload/readings.ts. */
  readonly readings: SharedArrayBuffer;
  readonly limits: SharedArrayBuffer;
  /** Of all targets; see health/table.ts. */
  readonly health: SharedArrayBuffer;
  /** How busy and how fast targets are. */
  readonly targetLoad: SharedArrayBuffer;
  /** This worker's alone: its log lines on their way to the primary. */
  readonly log: SharedArrayBuffer;
  /** List prices of the configured providers. */
  readonly prices: PriceCatalog;
  /** The port to listen on, or null where the primary's acceptor hands connections over. */
  readonly port: number | null;
}

export type ToPrimary =
  | { readonly kind: 'listening'; readonly descriptor: unknown; readonly startMs: number }
  /** The answer to `stop-listening`. */
  | { readonly kind: 'not-listening' }
  /** Lines that stand in the worker's log memory. */
  | ({ readonly kind: 'log' } & SentLines)
  | {
      readonly kind: 'histograms';
      readonly request: number;
      readonly snapshots: readonly Uint8Array[];
    }
  /** Asks for the prompt's tokens. */
  | {
      readonly kind: 'count-tokens';
      readonly id: number;
      readonly model: string;
      readonly body: Uint8Array;
    }
  | { readonly kind: 'fault'; readonly message: string; readonly stack: string }
  /** Nothing is in flight any more and every connection is closed; the thread ends by itself. */
  | { readonly kind: 'drained'; readonly cut: number };

export type ToWorker =
  | { readonly kind: 'log-taken'; readonly bytes: number }
  | { readonly kind: 'histograms'; readonly request: number }
  /** null: they could not be counted in time. */
  | { readonly kind: 'tokens-counted'; readonly id: number; readonly tokens: number | null }
  /** Addresses that have as many connections as they may have. */
  | { readonly kind: 'crowded'; readonly addresses: readonly string[] }
  /** New connections are refused from now on; all else goes on. */
  | { readonly kind: 'stop-listening' }
  /** Finish what runs, for at most so long from now, and end. A later one changes the time. */
  | { readonly kind: 'drain'; readonly timeoutMs: number };

/** What the primary and the exporter's thread say to each other. */
import type { TracesConfig } from '../config/model.js';

/** Where a provider is, for `server.address`. */
export interface ProviderPlace {
  readonly name: string;
  readonly dialect: string;
  readonly baseUrl: string;
}

/** What the thread is started with, and told anew after a reload. */
export interface ExportSettings {
  readonly traces: TracesConfig;
  readonly providers: readonly ProviderPlace[];
  readonly version: string;
  /** Another one with every start of the server. */
  readonly instanceId: string;
}

export type ToExporter =
  | { readonly kind: 'settings'; readonly settings: ExportSettings }
  /** Packed by core/wire.ts: what observe/trace-record.ts describes, in an array. */
  | { readonly kind: 'records'; readonly count: number; readonly records: Uint8Array }
  /** Export what there is, and end. */
  | { readonly kind: 'close' };

/** Since the thread was started. Spans. */
export interface ExportCounts {
  readonly exported: number;
  /** The collector did not take them. */
  readonly failed: number;
  /** Too many waited for it. */
  readonly dropped: number;
}

export type FromExporter =
  /** The oldest records that were not told of yet are in the queue, or counted as lost. */
  | { readonly kind: 'taken' }
  /** `problem`: why the last export failed; null where it did not. */
  | { readonly kind: 'counts'; readonly counts: ExportCounts; readonly problem: string | null };

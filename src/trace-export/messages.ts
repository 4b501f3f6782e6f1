/** What the primary and the exporter's thread say to each other. */
import type { TracesConfig } from '../config/model.js';

/** Where a provider is, for `server.address`. */
export interface ProviderPlace {
  readonly name: string;
  readonly dialect: string;
  readonly baseUrl: string;
}

/** What holds for exchanges of that configuration and of those after it, up to the next. */
export interface ExportSettings {
  readonly generation: number;
  readonly traces: TracesConfig;
  readonly providers: readonly ProviderPlace[];
  readonly version: string;
  /** Another one with every start of the server. */
  readonly instanceId: string;
}

/** What the thread is started with: the oldest first. */
export interface ExporterStart {
  readonly settings: readonly ExportSettings[];
}

export type ToExporter =
  | { readonly kind: 'settings'; readonly settings: ExportSettings }
  /** Packed by core/json-wire.ts: what observe/trace-record.ts describes, in an array. */
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
  | { readonly kind: 'taken'; readonly counts: ExportCounts }
  /** `problem`: why the export failed; null where it did not. */
  | { readonly kind: 'exported'; readonly counts: ExportCounts; readonly problem: string | null };

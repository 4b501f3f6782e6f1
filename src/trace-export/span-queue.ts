/**
 * Spans on their way to the collector: a bounded queue, one request at a time. A collector that is down or slow makes the
 * queue full, and then what can't be held is counted, nothing waits.
 */
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import { BOUNDS } from '../core/bounds.js';
import type { ExportCounts } from './messages.js';

/** Of the SDK's ExportResultCode. */
const SUCCESS = 0;

export interface SpanQueueOptions {
  readonly exporter: SpanExporter;
  /** After each request. @param problem null: it went well. */
  readonly onExported: (problem: string | null) => void;
  readonly queueMax?: number;
  /** Spans of one request. */
  readonly exportMax?: number;
  readonly exportMs?: number;
}

export class SpanQueue {
  readonly #options: SpanQueueOptions;
  readonly #queueMax: number;
  readonly #exportMax: number;
  #spans: ReadableSpan[] = [];
  #timer: NodeJS.Timeout | null = null;
  #exporting: Promise<void> | null = null;
  #exported = 0;
  #failed = 0;
  #dropped = 0;

  constructor(options: SpanQueueOptions) {
    this.#options = options;
    this.#queueMax = options.queueMax ?? BOUNDS.traceQueueMax;
    this.#exportMax = options.exportMax ?? BOUNDS.traceExportMax;
  }

  get counts(): ExportCounts {
    return { exported: this.#exported, failed: this.#failed, dropped: this.#dropped };
  }

  push(span: ReadableSpan): void {
    if (this.#spans.length >= this.#queueMax) {
      this.#dropped += 1;
      return;
    }
    this.#spans.push(span);
    if (this.#exporting !== null) return;
    if (this.#spans.length >= this.#exportMax) {
      this.#begin();
    } else {
      this.#timer ??= setTimeout(
        () => this.#begin(),
        this.#options.exportMs ?? BOUNDS.traceExportMs,
      );
    }
  }

  /** Resolves when nothing waits any more, whatever became of it, and the connection is closed. */
  async close(): Promise<void> {
    while (this.#exporting !== null || this.#spans.length > 0) {
      if (this.#exporting === null) this.#begin();
      await this.#exporting;
    }
    await this.#options.exporter.shutdown().catch(() => {});
  }

  #begin(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const batch = this.#spans.splice(0, this.#exportMax);
    if (batch.length === 0) return;
    this.#exporting = this.#export(batch).finally(() => {
      this.#exporting = null;
      if (this.#spans.length > 0) this.#begin();
    });
  }

  async #export(batch: ReadableSpan[]): Promise<void> {
    const problem = await post(this.#options.exporter, batch);
    if (problem === null) this.#exported += batch.length;
    else this.#failed += batch.length;
    this.#options.onExported(problem);
  }
}

function post(exporter: SpanExporter, batch: ReadableSpan[]): Promise<string | null> {
  return new Promise((resolve) => {
    try {
      exporter.export(batch, ({ code, error }) => {
        resolve(code === SUCCESS ? null : (error?.message ?? 'the export failed'));
      });
    } catch (error) {
      resolve(error instanceof Error ? error.message : String(error));
    }
  });
}

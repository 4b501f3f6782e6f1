/**
 * Spans on their way to the collector: a bounded queue, one request at a time. A collector that is down or slow makes the
 * queue full, and then what can't be held is counted, nothing waits.
 *
 * A request costs as much CPU as some ten traced exchanges, so spans gather for it. After a pause the first of them go
 * soon all the same, for whoever waits to see what was just asked.
 */
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';
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
  readonly exportEveryMs?: number;
}

export class SpanQueue {
  readonly #options: SpanQueueOptions;
  readonly #queueMax: number;
  readonly #exportMax: number;
  readonly #exportMs: number;
  readonly #exportEveryMs: number;
  /** When the next request that is not full may begin. */
  #notBeforeMs = 0;
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
    this.#exportMs = options.exportMs ?? BOUNDS.traceExportMs;
    this.#exportEveryMs = options.exportEveryMs ?? BOUNDS.traceExportEveryMs;
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
    if (this.#exporting === null) this.#plan(this.#exportMs);
  }

  /** Resolves when nothing waits any more, whatever became of it, and the connection is closed. */
  async close(): Promise<void> {
    while (this.#exporting !== null || this.#spans.length > 0) {
      if (this.#exporting === null) this.#begin();
      await this.#exporting;
    }
    await this.#options.exporter.shutdown().catch(() => {});
  }

  /** @param soonestMs from now; a full request does not wait. */
  #plan(soonestMs: number): void {
    if (this.#spans.length === 0) return;
    const waitMs = Math.max(soonestMs, this.#notBeforeMs - nowMs());
    if (this.#spans.length >= this.#exportMax || waitMs === 0) {
      this.#begin();
    } else {
      this.#timer ??= setTimeout(() => this.#begin(), waitMs);
    }
  }

  #begin(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const batch = this.#spans.splice(0, this.#exportMax);
    if (batch.length === 0) return;
    this.#notBeforeMs = nowMs() + this.#exportEveryMs;
    this.#exporting = this.#export(batch).finally(() => {
      this.#exporting = null;
      // What came in the meantime has waited already; only the distance between requests holds for it.
      this.#plan(0);
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

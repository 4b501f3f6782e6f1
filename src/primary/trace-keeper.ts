/**
 * Keeps the exporter's thread: starts it with the first traced exchange, hands on what workers send, unread, and counts
 * what is lost. Nothing here waits for a collector.
 */
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { WeirConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';
import type { Logger } from '../observe/logger.js';
import type { TraceLoss, TraceSample } from '../observe/trace-metrics.js';
import type {
  ExportCounts,
  ExporterStart,
  ExportSettings,
  FromExporter,
  ToExporter,
} from '../trace-export/messages.js';

/** What a worker sends at a time. */
export interface TraceMessage {
  readonly count: number;
  readonly lost: number;
  readonly records: Uint8Array;
}

interface Pending {
  readonly count: number;
  readonly onTaken: () => void;
}

const NO_COUNTS: ExportCounts = { exported: 0, failed: 0, dropped: 0 };
/** A collector that stays away is told of so often. */
const COMPLAINT_MS = 60_000;

export class TraceKeeper {
  readonly #logger: Logger;
  readonly #version: string;
  readonly #instanceId = randomUUID();
  /** Of the last configurations that trace, the oldest first. */
  readonly #settings: ExportSettings[] = [];
  #thread: Worker | null = null;
  /** Handed to the thread, the oldest first. */
  #pending: Pending[] = [];
  #counts: ExportCounts = NO_COUNTS;
  /** Of threads before this one. */
  #exportedBefore = 0;
  readonly #lost: Record<TraceLoss, number> = {
    worker_full: 0,
    queue_full: 0,
    export_failed: 0,
    exporter_failed: 0,
  };
  #notBeforeMs = 0;
  #complainAtMs = 0;
  #isClosing = false;

  constructor(version: string, logger: Logger) {
    this.#version = version;
    this.#logger = logger;
  }

  /** Exchanges of this configuration are traced as it says; those of others as theirs did. */
  adopt({ traces, providers }: Pick<WeirConfig, 'traces' | 'providers'>, generation: number): void {
    if (traces === null) return;
    const last = this.#settings.at(-1);
    const settings: ExportSettings = {
      generation: last?.generation ?? generation,
      traces,
      providers: providers.map(({ name, dialect, baseUrl }) => ({ name, dialect, baseUrl })),
      version: this.#version,
      instanceId: this.#instanceId,
    };
    if (isDeepStrictEqual(settings, last)) return;
    const next = { ...settings, generation };
    this.#settings.push(next);
    if (this.#settings.length > BOUNDS.generationsMax) this.#settings.shift();
    this.#post({ kind: 'settings', settings: next });
  }

  /** @param onTaken told when the worker need not answer for them any more. */
  take({ count, lost, records }: TraceMessage, onTaken: () => void): void {
    this.#lost.worker_full += lost;
    if (count === 0) return;
    if (!this.#ensureThread()) {
      this.#lost.exporter_failed += count;
      onTaken();
      return;
    }
    this.#pending.push({ count, onTaken });
    this.#post({ kind: 'records', count, records });
  }

  readSample(): TraceSample {
    const { exported, failed, dropped } = this.#counts;
    const lost = {
      ...this.#lost,
      queue_full: this.#lost.queue_full + dropped,
      export_failed: this.#lost.export_failed + failed,
    };
    return { exported: this.#exportedBefore + exported, lost };
  }

  /** What waits is exported, as far as that is done within the bound. */
  async close(): Promise<void> {
    const thread = this.#thread;
    this.#isClosing = true;
    if (thread === null) return;
    const ended = new Promise((resolve) => thread.once('exit', resolve));
    this.#post({ kind: 'close' });
    const timer = setTimeout(() => void thread.terminate(), BOUNDS.traceCloseMs);
    await ended;
    clearTimeout(timer);
  }

  #ensureThread(): boolean {
    if (this.#thread !== null) return true;
    if (this.#settings.length === 0 || this.#isClosing || nowMs() < this.#notBeforeMs) return false;
    const thread = new Worker(new URL('../trace-export/exporter-thread.js', import.meta.url), {
      workerData: { settings: this.#settings } satisfies ExporterStart,
      name: 'weir-traces',
    });
    thread.on('message', (message: FromExporter) => this.#onMessage(message));
    thread.on('error', (error) => {
      this.#logger.error({ reason: error.message }, 'the exporter of traces failed');
    });
    thread.once('exit', () => this.#onExit());
    this.#thread = thread;
    return true;
  }

  #onMessage(message: FromExporter): void {
    this.#counts = message.counts;
    if (message.kind === 'taken') {
      const pending = this.#pending.shift();
      pending?.onTaken();
    } else if (message.problem !== null && nowMs() >= this.#complainAtMs) {
      this.#complainAtMs = nowMs() + COMPLAINT_MS;
      const reason = message.problem;
      this.#logger.warn({ reason }, 'spans were lost: the collector of traces did not take them');
    }
  }

  /** What it held is lost; how many spans that were, nobody knows any more: records are counted. */
  #onExit(): void {
    const { exported, failed, dropped } = this.#counts;
    this.#exportedBefore += exported;
    this.#lost.export_failed += failed;
    this.#lost.queue_full += dropped;
    this.#counts = NO_COUNTS;
    this.#thread = null;
    this.#notBeforeMs = nowMs() + BOUNDS.traceRestartMs;
    const pending = this.#pending;
    this.#pending = [];
    for (const { count, onTaken } of pending) {
      this.#lost.exporter_failed += count;
      onTaken();
    }
  }

  #post(message: ToExporter): void {
    this.#thread?.postMessage(message);
  }
}

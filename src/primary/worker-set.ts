/** The worker threads: starts them, waits until all listen, passes messages, and ends them in the order that works. */
import { Worker } from 'node:worker_threads';
import { BOUNDS } from '../core/bounds.js';
import { decodeMessage, encodeMessage } from '../core/wire.js';
import { viewLines } from '../observe/log-batch.js';
import type { ToPrimary, ToWorker, WorkerStart } from '../worker/messages.js';

export interface WorkerSetEvents {
  onLog(lines: Uint8Array, lineCount: number, onTaken: () => void): void;
  /** A worker asks for the tokens of a prompt; null: they can't be had. */
  onCountTokens(body: Uint8Array, model: string): Promise<number | null>;
  /** A defect in a worker: something was thrown where nothing may be. */
  onFault(index: number, message: string, stack: string): void;
  /** A worker's thread has ended, as it should or not. */
  onEnded(index: number): void;
  /** A worker ended without having been asked to. */
  onLost(index: number, exitCode: number): void;
}

interface Member {
  readonly worker: Worker;
  /** Where its log lines stand. */
  readonly log: SharedArrayBuffer;
  readonly exited: Promise<void>;
  isAlive: boolean;
  isAskedToEnd: boolean;
  /** Resolves when it listens no more. */
  readonly deaf: Promise<void>;
  /** Exchanges that were cut at the end of its draining. */
  cut: number;
}

export interface ListeningWorker {
  readonly descriptor: unknown;
}

interface Scrape {
  readonly waiting: Set<number>;
  readonly onDone: () => void;
  readonly takeIn: (index: number, snapshots: readonly Uint8Array[]) => void;
}

export class WorkerSet {
  readonly #events: WorkerSetEvents;
  readonly #members: Member[] = [];
  readonly #scrapes = new Map<number, Scrape>();
  #lastScrape = 0;
  #drainTimeoutMs = Number.POSITIVE_INFINITY;

  constructor(events: WorkerSetEvents) {
    this.#events = events;
  }

  /** Resolves when every worker listens, or can be handed connections. */
  start(starts: readonly WorkerStart[]): Promise<ListeningWorker[]> {
    return Promise.all(starts.map((start) => this.#startOne(start)));
  }

  /** Addresses whose new connections are closed from now on. */
  tellCrowded(addresses: readonly string[]): void {
    for (const member of this.#members) {
      this.#send(member, { kind: 'crowded', addresses });
    }
  }

  get isAnyAlive(): boolean {
    return this.#members.some((member) => member.isAlive);
  }

  /** Asks every worker for its histograms and waits a bounded time; a late worker's last known ones stand. */
  collectHistograms(takeIn: Scrape['takeIn']): Promise<void> {
    this.#lastScrape += 1;
    const request = this.#lastScrape;
    const waiting = new Set<number>();
    this.#members.forEach((member, index) => {
      if (member.isAlive) {
        waiting.add(index);
        this.#send(member, { kind: 'histograms', request });
      }
    });
    if (waiting.size === 0) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#scrapes.get(request)?.onDone(), BOUNDS.metricsReplyMs);
      const onDone = (): void => {
        clearTimeout(timer);
        this.#scrapes.delete(request);
        resolve();
      };
      this.#scrapes.set(request, { waiting, takeIn, onDone });
    });
  }

  /**
   * First nobody listens, then clients are told to connect anew: one that came while another worker still listened would
   * be reset in that worker's queue. Asked again, the shorter time counts.
   *
   * @returns how many exchanges had to be cut, after every thread has ended.
   */
  async drain(timeoutMs: number): Promise<number> {
    this.#drainTimeoutMs = Math.min(this.#drainTimeoutMs, timeoutMs);
    for (const member of this.#members) {
      member.isAskedToEnd = true;
      this.#send(member, { kind: 'stop-listening' });
    }
    await this.#untilDeaf();
    for (const member of this.#members) {
      this.#send(member, { kind: 'drain', timeoutMs: this.#drainTimeoutMs });
    }
    await Promise.all(this.#members.map((member) => member.exited));
    return this.#members.reduce((sum, member) => sum + member.cut, 0);
  }

  async #untilDeaf(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, BOUNDS.stopListeningMs);
    });
    const all = this.#members.map(({ deaf, exited }) => Promise.race([deaf, exited]));
    await Promise.race([Promise.all(all), late]);
    clearTimeout(timer);
  }

  #startOne(start: WorkerStart): Promise<ListeningWorker> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(new URL('../worker/worker.js', import.meta.url), {
        workerData: start,
        name: `weir-worker-${start.index}`,
      });
      const timer = setTimeout(() => {
        reject(new Error(`worker ${start.index} did not listen within ${BOUNDS.workerReadyMs} ms`));
      }, BOUNDS.workerReadyMs);
      const exited = new Promise<void>((onExited) => {
        worker.once('exit', (code) => {
          member.isAlive = false;
          clearTimeout(timer);
          reject(new Error(`worker ${start.index} ended with code ${code} before it listened`));
          this.#forget(start.index);
          this.#events.onEnded(start.index);
          if (!member.isAskedToEnd) {
            this.#events.onLost(start.index, code);
          }
          onExited();
        });
      });
      let onDeaf = (): void => {};
      const deaf = new Promise<void>((resolveDeaf) => {
        onDeaf = resolveDeaf;
      });
      const { log } = start;
      const state = { isAlive: true, isAskedToEnd: false, cut: 0 };
      const member: Member = { worker, log, exited, deaf, ...state };
      this.#members[start.index] = member;
      worker.on('error', (error) => {
        reject(error);
        this.#events.onFault(start.index, error.message, error.stack ?? '');
      });
      worker.on('message', (bytes: Uint8Array) => {
        const message = decodeMessage(bytes) as ToPrimary;
        if (message.kind === 'listening') {
          clearTimeout(timer);
          resolve({ descriptor: message.descriptor });
        } else if (message.kind === 'not-listening') {
          onDeaf();
        } else {
          this.#onMessage(start.index, member, message);
        }
      });
    });
  }

  #onMessage(
    index: number,
    member: Member,
    message: Exclude<ToPrimary, { kind: 'listening' | 'not-listening' }>,
  ): void {
    switch (message.kind) {
      case 'log': {
        const { bytes, lineCount } = message;
        this.#events.onLog(viewLines(member.log, message), lineCount, () => {
          this.#send(member, { kind: 'log-taken', bytes });
        });
        break;
      }
      case 'histograms': {
        const scrape = this.#scrapes.get(message.request);
        if (scrape?.waiting.delete(index)) {
          scrape.takeIn(index, message.snapshots);
          if (scrape.waiting.size === 0) {
            scrape.onDone();
          }
        }
        break;
      }
      case 'count-tokens': {
        const { id, body, model } = message;
        void this.#events.onCountTokens(body, model).then((tokens) => {
          this.#send(member, { kind: 'tokens-counted', id, tokens });
        });
        break;
      }
      case 'fault':
        this.#events.onFault(index, message.message, message.stack);
        break;
      case 'drained':
        member.cut = message.cut;
        break;
    }
  }

  #forget(index: number): void {
    for (const scrape of this.#scrapes.values()) {
      if (scrape.waiting.delete(index) && scrape.waiting.size === 0) {
        scrape.onDone();
      }
    }
  }

  #send(member: Member, message: ToWorker): void {
    if (member.isAlive) {
      const { bytes, transfer } = encodeMessage(message);
      member.worker.postMessage(bytes, transfer);
    }
  }
}

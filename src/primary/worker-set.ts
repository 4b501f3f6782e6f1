/** The worker threads: starts them, waits until all listen, passes messages, and ends them in the order that works. */
import type { Worker } from 'node:worker_threads';
import type { LimitAnswer, LimitAsk } from '../admit/deputy.js';
import { BOUNDS } from '../core/bounds.js';
import { decodeMessage, encodeMessage } from '../core/wire.js';
import type { HeldChange } from '../limits/hand-over.js';
import type { Trail } from '../observe/exchange-trail.js';
import { viewLines } from '../observe/log-batch.js';
import type {
  ClosingReason,
  GenerationReport,
  GenerationStart,
  PrepareGeneration,
  ToPrimary,
  ToWorker,
  WorkerStart,
} from '../worker/messages.js';
import { takeThread } from './threads.js';
import type { TraceMessage } from './trace-keeper.js';

export interface WorkerSetEvents {
  onLog(lines: Uint8Array, lineCount: number, onTaken: () => void): void;
  /** A worker asks for the tokens of a prompt; null: they can't be had. */
  onCountTokens(body: Uint8Array, model: string): Promise<number | null>;
  /** A worker could not take up a changed certificate. */
  onWarning(index: number, message: string): void;
  onCertificateRefused(index: number, problem: string): void;
  /** After a hand-over: a worker asks for units of limits, or tells what became of them. */
  onReserve(ask: LimitAsk): Promise<LimitAnswer | null>;
  onSettled(changes: readonly HeldChange[]): void;
  /** What a worker says of the configuration that it was sent, or that it has left. */
  onGeneration(index: number, report: GenerationReport): void;
  /** Exchanges that failed or were slow. */
  onTrail(trail: Trail): void;
  /** Traced exchanges; `onTaken` when the worker need not answer for them any more. */
  onTraces(message: TraceMessage, onTaken: () => void): void;
  /** A defect in a worker: something was thrown where nothing may be. Contained: it cost one exchange and no more. */
  onFault(index: number, message: string, stack: string, isContained: boolean): void;
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
  /** Resolves when it stands still for a hand-over. */
  readonly paused: Promise<void>;
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
  /** By index; there is none for one that died before it was started. */
  readonly #members = new Map<number, Member>();
  readonly #scrapes = new Map<number, Scrape>();
  #lastScrape = 0;
  #drainTimeoutMs = Number.POSITIVE_INFINITY;

  constructor(events: WorkerSetEvents) {
    this.#events = events;
  }

  /** Of workers that live, those that are still starting included. */
  get living(): number[] {
    return [...this.#members.keys()].filter((index) => this.#members.get(index)?.isAlive === true);
  }

  /** A worker that is still starting takes it when it has started. */
  prepare(generation: GenerationStart): void {
    const message: PrepareGeneration = { kind: 'prepare', generation };
    for (const { isAlive, worker } of this.#members.values()) {
      if (isAlive) worker.postMessage(message);
    }
  }

  tellAll(message: ToWorker): void {
    for (const member of this.#members.values()) this.#send(member, message);
  }

  /** Addresses whose new connections are closed from now on. */
  tellCrowded(addresses: readonly string[]): void {
    this.tellAll({ kind: 'crowded', addresses });
  }

  get isAnyAlive(): boolean {
    return this.#all().some((member) => member.isAlive);
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
  async drain(timeoutMs: number, lingerMs: number = BOUNDS.lingerMs): Promise<number> {
    this.#drainTimeoutMs = Math.min(this.#drainTimeoutMs, timeoutMs);
    await this.stopListening();
    for (const member of this.#members.values()) {
      this.#sendDrain(member, this.#drainTimeoutMs, lingerMs, 'draining');
    }
    await Promise.all(this.#all().map((member) => member.exited));
    return this.#all().reduce((sum, member) => sum + member.cut, 0);
  }

  /** New connections get what the files of `listen.tls` hold now. */
  reloadCertificate(): void {
    this.tellAll({ kind: 'reload-certificate' });
  }

  /** Resolves when no worker listens, or after a bounded time. */
  async stopListening(): Promise<void> {
    for (const member of this.#members.values()) {
      member.isAskedToEnd = true;
      this.#send(member, { kind: 'stop-listening' });
    }
    await this.#untilAll(({ deaf }) => deaf, BOUNDS.stopListeningMs);
  }

  /** Resolves when all stand still at the gate, to false where they do not within the bound. */
  pauseForHandOver(): Promise<boolean> {
    for (const member of this.#members.values()) {
      this.#send(member, { kind: 'hand-over' });
    }
    return this.#untilAll(({ paused }) => paused, BOUNDS.pauseMs);
  }

  /** Ends one worker, whose exchanges are cut. @returns false where its thread does not end within the bound. */
  async retire(index: number): Promise<boolean> {
    const member = this.#members.get(index);
    if (member === undefined) return true;
    member.isAskedToEnd = true;
    this.#sendDrain(member, 0, 0, 'worker_failed');
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), BOUNDS.workerEndMs);
    });
    const hasEnded = await Promise.race([member.exited.then(() => true), late]);
    clearTimeout(timer);
    return hasEnded;
  }

  #all(): Member[] {
    return [...this.#members.values()];
  }

  #sendDrain(member: Member, timeoutMs: number, lingerMs: number, reason: ClosingReason): void {
    this.#send(member, { kind: 'drain', timeoutMs, lingerMs, reason });
  }

  async #untilAll(pick: (member: Member) => Promise<void>, timeoutMs: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), timeoutMs);
    });
    const all = this.#all().map((member) => Promise.race([pick(member), member.exited]));
    const isInTime = await Promise.race([Promise.all(all).then(() => true), late]);
    clearTimeout(timer);
    return isInTime;
  }

  /** Resolves when the worker listens, or can be handed connections. One in the place of another has its index. */
  start(start: WorkerStart): Promise<ListeningWorker> {
    return new Promise((resolve, reject) => {
      const { worker, failure, release } = takeThread(start.index);
      if (failure !== null) {
        reject(failure);
        return;
      }
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
      let onPaused = (): void => {};
      const paused = new Promise<void>((resolvePaused) => {
        onPaused = resolvePaused;
      });
      const { log } = start;
      const state = { isAlive: true, isAskedToEnd: false, cut: 0 };
      const member: Member = { worker, log, exited, deaf, paused, ...state };
      this.#members.set(start.index, member);
      release();
      worker.on('error', (error) => {
        reject(error);
        this.#events.onFault(start.index, error.message, error.stack ?? '', false);
      });
      worker.on('message', (bytes: Uint8Array) => {
        const message = decodeMessage(bytes) as ToPrimary;
        if (message.kind === 'listening') {
          clearTimeout(timer);
          resolve({ descriptor: message.descriptor });
        } else if (message.kind === 'not-listening') {
          onDeaf();
        } else if (message.kind === 'paused') {
          onPaused();
        } else {
          this.#onMessage(start.index, member, message);
        }
      });
      worker.postMessage(start);
    });
  }

  #onMessage(
    index: number,
    member: Member,
    message: Exclude<ToPrimary, { kind: 'listening' | 'not-listening' | 'paused' }>,
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
        this.#events.onTrail(message.trail);
        const scrape = this.#scrapes.get(message.request);
        if (scrape?.waiting.delete(index)) {
          scrape.takeIn(index, message.snapshots);
          if (scrape.waiting.size === 0) {
            scrape.onDone();
          }
        }
        break;
      }
      case 'traces':
        this.#events.onTraces(message, () => this.#send(member, { kind: 'traces-taken' }));
        break;
      case 'count-tokens': {
        const { id, body, model } = message;
        void this.#events.onCountTokens(body, model).then((tokens) => {
          this.#send(member, { kind: 'tokens-counted', id, tokens });
        });
        break;
      }
      case 'certificate-refused':
        this.#events.onCertificateRefused(index, message.problem);
        break;
      case 'reserve': {
        const { id, ask } = message;
        void this.#events.onReserve(ask).then((answer) => {
          this.#send(member, { kind: 'reserved', id, answer });
        });
        break;
      }
      case 'warning':
        this.#events.onWarning(index, message.message);
        break;
      case 'settled':
        this.#events.onSettled(message.changes);
        break;
      case 'fault':
        this.#events.onFault(index, message.message, message.stack, message.isContained);
        break;
      case 'prepared':
      case 'unprepared':
      case 'retired':
        this.#events.onGeneration(index, message);
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

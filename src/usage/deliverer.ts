/**
 * Delivers the spool's records to a receiver, in the order in which they were written, at least once: a parcel is passed
 * only when the receiver has said that it took it, and until then it is sent again, under the same key. Runs in the
 * primary, off the workers' loops, and holds one parcel at a time.
 */
import type { UsageDeliveryConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { wallClockMs } from '../core/clock.js';
import { DeliveryState, nameParcel, type Parcel, type Place } from './delivery-state.js';
import type { UsageLogger } from './keeper.js';
import { Lease } from './lease.js';
import { type GatheredParcel, gatherParcel } from './parcels.js';
import { formatBody, Sender } from './sender.js';
import { listSegments, mayBeWritten, type SegmentFile } from './spool.js';

export interface DelivererOptions {
  readonly deliver: UsageDeliveryConfig;
  readonly dir: string;
  /** Whether this process writes to the segment. */
  readonly isOpen: (name: string) => boolean;
  /** Whether the segment is one of this process's. */
  readonly isOwn: (writer: string) => boolean;
  readonly logger: UsageLogger;
  readonly version: string;
}

export class Deliverer {
  readonly #options: DelivererOptions;
  readonly #sender: Sender;
  readonly #lease: Lease;
  readonly #state: DeliveryState;
  readonly #aborted = new AbortController();
  #isLoaded = false;
  #isStopping = false;
  #running: Promise<void> = Promise.resolve();
  #renewTimer: NodeJS.Timeout | null = null;
  #wake: (() => void) | null = null;
  /** Records of a parcel; fewer than configured while the receiver finds that too much. */
  #recordsMax: number;
  #delivered = 0;
  #failures = 0;
  /** What was said last to be wrong; null: all is well. */
  #trouble: string | null = null;

  constructor(options: DelivererOptions) {
    const { deliver, dir, version } = options;
    this.#options = options;
    this.#sender = new Sender(deliver, version);
    this.#lease = new Lease(dir);
    this.#state = new DeliveryState(dir);
    this.#recordsMax = deliver.batchRecords;
  }

  /** Records that the receiver has taken. */
  get delivered(): number {
    return this.#delivered;
  }

  /** Requests that it has not. */
  get failures(): number {
    return this.#failures;
  }

  /** Whether this process is the one that delivers. */
  get isInCharge(): boolean {
    return this.#lease.isHeld && this.#isLoaded;
  }

  /** How far delivery is, by whichever process. */
  async findDelivered(): Promise<DeliveryState> {
    if (this.isInCharge) {
      return this.#state;
    }
    const state = new DeliveryState(this.#options.dir);
    await state.load();
    return state;
  }

  start(): void {
    this.#running = this.#run();
    // Sending may take longer than a lease holds.
    this.#renewTimer = setInterval(() => {
      if (this.#lease.isHeld) {
        void this.#lease.hold();
      }
    }, BOUNDS.usageLeaseRenewMs);
  }

  /** Sends what is left, once, if that can be had within the time. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#wake?.();
    const timer = setTimeout(() => this.#aborted.abort(), graceMs);
    await this.#running;
    clearTimeout(timer);
    if (this.#renewTimer !== null) {
      clearInterval(this.#renewTimer);
    }
    await this.#lease.release();
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      await this.#passIfInCharge();
      if (!this.#isStopping) {
        const { everyMs } = this.#options.deliver;
        await this.#wait(this.isInCharge ? everyMs : Math.min(everyMs, BOUNDS.usageLeaseRenewMs));
      }
    }
    await this.#passIfInCharge();
  }

  async #passIfInCharge(): Promise<void> {
    if (!(await this.#lease.hold())) {
      this.#isLoaded = false;
      return;
    }
    try {
      if (!this.#isLoaded) {
        const reason = await this.#state.load();
        this.#isLoaded = true;
        if (reason !== null) {
          this.#options.logger.error({ reason }, 'all usage records are delivered anew');
        }
      }
      await this.#pass();
    } catch (error) {
      this.#say(error instanceof Error ? error.message : String(error));
    }
  }

  /** All that is there now, the oldest first. */
  async #pass(): Promise<void> {
    const files = await listSegments(this.#options.dir);
    let hasChanged = this.#state.keepOnly(new Set(files.map(({ name }) => name)));
    for (const file of files) {
      let goesOn = !this.#state.isDone(file.name);
      while (goesOn) {
        const step = await this.#deliverNext(file);
        if (step === 'stopped') {
          return;
        }
        hasChanged ||= step !== 'none';
        goesOn = step === 'sent';
      }
    }
    if (hasChanged) {
      await this.#state.save();
    }
  }

  /** `all`: nothing more is there now; `none`: and nothing new was. */
  async #deliverNext(file: SegmentFile): Promise<'sent' | 'all' | 'none' | 'stopped'> {
    const { name, path, writer } = file;
    const { isOpen, isOwn, logger } = this.#options;
    // Asked before it is read: what is closed by now has nothing to come after what is found.
    const isOver = isOwn(writer) ? !isOpen(name) : !mayBeWritten(file, wallClockMs());
    const from = this.#state.placeIn(name);
    const parcel = await gatherParcel(path, from, this.#findEnd(name, from), this.#recordsMax);
    if (parcel.damaged > 0) {
      const { damaged: records } = parcel;
      logger.error({ segment: name, records }, 'usage records are damaged and can’t be delivered');
    }
    if (parcel.records.length > 0) {
      return (await this.#sendParcel(name, from, parcel)) ? 'sent' : 'stopped';
    }
    if (parcel.restDamage !== null) {
      const { restDamage: reason } = parcel;
      logger.error({ segment: name, reason }, 'usage records are damaged and can’t be delivered');
    }
    const isDone = parcel.isEnded || isOver;
    if (isDone) {
      this.#state.setDone(name);
    } else if (parcel.to[0] === from[0] && parcel.to[1] === from[1]) {
      return 'none';
    }
    this.#state.setPlace(name, parcel.to);
    return 'all';
  }

  /** Where the parcel that was under way when somebody stopped has its end. */
  #findEnd(segment: string, from: Place): Place | null {
    const { pending } = this.#state;
    const isIt =
      pending !== null &&
      pending.segment === segment &&
      pending.from[0] === from[0] &&
      pending.from[1] === from[1];
    return isIt ? pending.to : null;
  }

  /** @returns false: it was not sent, and nothing else should be now. */
  async #sendParcel(
    segment: string,
    from: Place,
    { fields, records, to }: GatheredParcel,
  ): Promise<boolean> {
    const { deliver } = this.#options;
    const parcel: Parcel = { segment, from, to };
    this.#state.pending = parcel;
    await this.#state.save();
    const body = formatBody(deliver.format, fields, records);
    let backoffMs = Math.min(BOUNDS.usageBackoffMs, deliver.retryMsMax);
    while (this.#lease.isHeld && !this.#aborted.signal.aborted) {
      const { signal } = this.#aborted;
      const outcome = await this.#sender.send(body, records.length, nameParcel(parcel), signal);
      if (outcome.kind === 'taken') {
        this.#onTaken(parcel, records.length);
        return true;
      }
      this.#failures += 1;
      if (outcome.kind === 'too-large' && records.length > 1) {
        this.#recordsMax = Math.ceil(records.length / 2);
        this.#state.pending = null;
        return true;
      }
      const isLarge = outcome.kind === 'too-large';
      this.#say(isLarge ? 'the receiver finds one record too large' : outcome.reason);
      if (this.#isStopping) {
        return false;
      }
      // Half of it by chance, lest many gateways come back to a receiver at the same moment.
      const ownMs = backoffMs * (0.5 + Math.random() / 2);
      await this.#wait(Math.max(ownMs, isLarge ? 0 : outcome.afterMs));
      backoffMs = Math.min(backoffMs * 2, deliver.retryMsMax);
      if (this.#isStopping) {
        return false;
      }
    }
    return false;
  }

  #onTaken(parcel: Parcel, records: number): void {
    const { batchRecords } = this.#options.deliver;
    this.#state.setPlace(parcel.segment, parcel.to);
    this.#state.pending = null;
    this.#delivered += records;
    this.#recordsMax = Math.min(
      batchRecords,
      this.#recordsMax + Math.ceil(batchRecords / GROWTH_STEPS),
    );
    if (this.#trouble !== null) {
      this.#trouble = null;
      this.#options.logger.info({}, 'usage records are delivered again');
    }
  }

  /** Once, until something else is wrong or all is well. */
  #say(reason: string): void {
    if (reason !== this.#trouble) {
      this.#trouble = reason;
      this.#options.logger.error({ reason }, 'usage records can’t be delivered; it is tried again');
    }
  }

  /** Ends early when it is asked to stop. */
  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = null;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wake = done;
    });
  }
}

/** In how many parcels the size grows back from one record to all after the receiver found one too large. */
const GROWTH_STEPS = 100;

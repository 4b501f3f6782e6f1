/**
 * Looks at what only the whole process can know, memory and descriptors, and tells the workers by shared memory; says in
 * the log when a worker begins to refuse, refuses others, or stops; finds addresses with too many connections.
 */
import { ClientAddresses } from '../accept/caller-address.js';
import type { WeirConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';
import type { Logger } from '../observe/logger.js';
import { type OverloadSample, sampleOverload } from '../observe/overload-metrics.js';
import { createReadingsBuffer, PRIORITIES, Readings } from '../overload/readings.js';
import { findCrowded } from './crowds.js';
import { countDescriptors, readDescriptorsMax, readMemoryLimitBytes } from './process-readings.js';

const NOBODY = 'nobody is refused any more';

export class ResourceWatch {
  readonly buffer: SharedArrayBuffer;
  #config: WeirConfig;
  #addresses: ClientAddresses;
  readonly #logger: Logger;
  readonly #readings: Readings;
  /** Of the cgroup or the machine. */
  readonly #memoryBytes: number;
  readonly #descriptorsMax: number;
  /** What was last said of each worker. */
  readonly #said: string[];
  #timer: NodeJS.Timeout | null = null;
  /** When descriptors were counted last, how many there were, and how many connections then. */
  #countedMs = Number.NEGATIVE_INFINITY;
  #descriptors = 0;
  #connections = 0;
  #crowdLookMs = Number.NEGATIVE_INFINITY;
  #crowdTookMs = 0;
  #hasCrowd = false;

  constructor(config: WeirConfig, logger: Logger) {
    this.#config = config;
    this.#addresses = new ClientAddresses(config.trustedProxies);
    this.#logger = logger;
    this.buffer = createReadingsBuffer(config.workers);
    this.#readings = new Readings(this.buffer);
    this.#memoryBytes = readMemoryLimitBytes();
    this.#descriptorsMax = readDescriptorsMax();
    this.#said = Array.from({ length: config.workers }, () => NOBODY);
    this.#read();
  }

  /**
   * @param port that clients connect to.
   * @param onCrowded is told the addresses that have too many connections, whenever there are some or no more.
   */
  start(port: number, onCrowded: (addresses: string[]) => void): void {
    this.#timer = setInterval(() => {
      this.#read();
      this.#tell();
      this.#lookForCrowds(port, onCrowded);
    }, BOUNDS.pressureLookMs).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** A reload has brought another configuration. */
  adopt(config: WeirConfig): void {
    this.#config = config;
    this.#addresses = new ClientAddresses(config.trustedProxies);
  }

  /** A worker's thread has ended. */
  reclaim(worker: number): void {
    this.#readings.reclaim(worker);
  }

  readSample(): OverloadSample {
    return sampleOverload(this.#readings, this.#config.workers);
  }

  #read(): void {
    const now = nowMs();
    if (now - this.#countedMs >= BOUNDS.descriptorsLookMs) {
      this.#countedMs = now;
      this.#descriptors = countDescriptors();
      this.#connections = this.#readings.sumConnections(this.#config.workers);
    }
    this.#readings.writeProcess({
      rssBytes: process.memoryUsage.rss(),
      memoryLimitBytes: this.#config.overload?.memoryLimitBytes ?? this.#memoryBytes,
      descriptors: this.#descriptors,
      descriptorsMax: this.#descriptorsMax,
      connections: this.#connections,
    });
  }

  /** One line for each change, not for each refusal. */
  #tell(): void {
    for (let worker = 0; worker < this.#config.workers; worker += 1) {
      const reading = this.#readings.readWorker(worker);
      const { level, limit } = reading;
      const blocked = PRIORITIES.slice(PRIORITIES.length - level).join(', ');
      const parts = [
        ...(level === 0 ? [] : [`priority ${blocked} is refused`]),
        ...(limit === 0 ? [] : ['no more is taken in than the loop keeps up with']),
      ];
      const now = parts.length === 0 ? NOBODY : parts.join('; ');
      if (now !== this.#said[worker]) {
        this.#said[worker] = now;
        const { rssBytes, descriptors } = this.#readings.readProcess();
        const figures = {
          worker,
          level,
          loop_lag_ms: Math.round(reading.lagMs * 10) / 10,
          exchanges_max: limit === 0 ? null : limit,
          heap_percent: Math.round(reading.heapPercent),
          rss_mb: Math.round(rssBytes / 2 ** 20),
          descriptors,
        };
        const say = now === NOBODY ? 'info' : 'warn';
        this.#logger[say](figures, `overload: worker ${worker}: ${now}`);
      }
    }
  }

  /** As long as there are no more connections than one address may have, none can have too many. */
  #lookForCrowds(port: number, onCrowded: (addresses: string[]) => void): void {
    const { connectionsPerAddressMax: max } = this.#config.clients;
    if (max === null) {
      if (this.#hasCrowd) onCrowded([]);
      this.#hasCrowd = false;
      return;
    }
    const startedMs = nowMs();
    const pauseMs = Math.max(BOUNDS.crowdLookMs, CROWD_PAUSE_TIMES * this.#crowdTookMs);
    const canBeCrowded = this.#readings.sumConnections(this.#config.workers) >= max;
    if ((!canBeCrowded && !this.#hasCrowd) || startedMs - this.#crowdLookMs < pauseMs) return;
    this.#crowdLookMs = startedMs;
    const addresses = this.#addresses;
    const addressesMax = BOUNDS.crowdedAddressesMax;
    const crowded = canBeCrowded ? findCrowded({ port, max, addresses, addressesMax }) : [];
    this.#crowdTookMs = nowMs() - startedMs;
    if (crowded.length > 0 || this.#hasCrowd) onCrowded(crowded);
    this.#hasCrowd = crowded.length > 0;
  }
}

/** At most a tenth of the primary's time goes into it. */
const CROWD_PAUSE_TIMES = 10;

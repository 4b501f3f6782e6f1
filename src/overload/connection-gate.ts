/**
 * Decides in one worker whether a connection that has just been opened may stay. One that may not is closed before
 * anything is read from it: an answer would need what there is too little of.
 */
import type { WeirConfig } from '../config/model.js';
import { CLOSE_REASONS, type CloseReason, type Readings } from './readings.js';

/** As much of a configuration as decides it. */
export type ConnectionConfig = Pick<WeirConfig, 'clients' | 'overload' | 'workers'>;

export interface ConnectionGateOptions {
  readonly config: ConnectionConfig;
  /** This worker, from 0. */
  readonly index: number;
  readonly readings: Readings;
}

/** The last third of what `overload.descriptors` leaves: where exchanges of all priorities are refused, too. */
const LAST_STEP = 2 / 3;

export class ConnectionGate {
  readonly #options: ConnectionGateOptions;
  #workers = 0;
  #connectionsMax = Number.POSITIVE_INFINITY;
  /** Share of the process's descriptors from which on no connection is taken. */
  #descriptorsShare = Number.POSITIVE_INFINITY;
  #crowded: ReadonlySet<string> = new Set();

  constructor(options: ConnectionGateOptions) {
    this.#options = options;
    this.adopt(options.config);
  }

  /** A reload has brought another configuration; what is open stays. */
  adopt({ overload, clients, workers }: ConnectionConfig): void {
    this.#workers = workers;
    this.#connectionsMax = clients.connectionsMax ?? Number.POSITIVE_INFINITY;
    const first = (overload?.descriptorsPercent ?? 100) / 100;
    this.#descriptorsShare =
      overload === null ? Number.POSITIVE_INFINITY : first + (1 - first) * LAST_STEP;
  }

  /** Addresses with as many connections as they may have, as accept/caller-address.ts names them. */
  setCrowded(addresses: readonly string[]): void {
    this.#crowded = new Set(addresses);
  }

  /** Counts this worker's; told of each change. */
  setOpen(connections: number): void {
    this.#options.readings.writeConnections(this.#options.index, connections);
  }

  /**
   * Whether a connection that is counted already may stay.
   *
   * @param readAddress asks the system for the client's address, only where it matters.
   */
  admits(readAddress: () => string): boolean {
    const reason = this.#findReason(readAddress);
    if (reason === null) {
      return true;
    }
    const { readings, index } = this.#options;
    readings.countClosed(index, CLOSE_REASONS.indexOf(reason));
    return false;
  }

  #findReason(readAddress: () => string): CloseReason | null {
    const { readings } = this.#options;
    const open = readings.sumConnections(this.#workers);
    if (open > this.#connectionsMax) {
      return 'connections';
    }
    const { descriptors, descriptorsMax, connections } = readings.readProcess();
    // What was opened since the primary has counted is in the number, or a flood would be noticed too late.
    const used = descriptors + Math.max(0, open - connections);
    if (descriptorsMax > 0 && used > descriptorsMax * this.#descriptorsShare) {
      return 'descriptors';
    }
    return this.#crowded.size > 0 && this.#crowded.has(readAddress()) ? 'address' : null;
  }
}

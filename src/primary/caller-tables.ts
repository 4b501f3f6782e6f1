/**
 * The tables of callers that nobody configured. One that a reload changes nothing of goes on; else there is a new one,
 * in which all callers start anew, and the old one stays for the exchanges that began with it.
 */
import { isDeepStrictEqual } from 'node:util';
import type { CallersConfig, WeirConfig } from '../config/model.js';
import { nowMs, toSharedMs } from '../core/clock.js';
import { planCallers } from '../limits/plan.js';
import { DynamicSlots } from '../limits/slots.js';
import { createTableBuffer, LimitTable } from '../limits/table.js';

type Config = Pick<WeirConfig, 'callers' | 'workers'>;

export interface CallerTable {
  readonly config: CallersConfig | null;
  readonly buffer: SharedArrayBuffer;
  readonly table: LimitTable;
  readonly slots: DynamicSlots;
}

export class CallerTables {
  #current: CallerTable | null;
  /** Each with the generation that it was left in. */
  #left: { readonly generation: number; readonly table: CallerTable }[] = [];
  /** Of tables that are gone. */
  #refusedBefore = 0;

  constructor(config: Config) {
    this.#current = createTable(config);
  }

  get current(): CallerTable | null {
    return this.#current;
  }

  /** How often somebody was refused because every slot was in use. */
  get refusedCount(): number {
    const living = [this.#current, ...this.#left.map(({ table }) => table)];
    return living.reduce(
      (sum, table) => sum + (table?.slots.refusedCount ?? 0),
      this.#refusedBefore,
    );
  }

  /** What a configuration has: the one in use, a new one, or none. */
  prepare(config: Config): CallerTable | null {
    const isSame = isDeepStrictEqual(config.callers, this.#current?.config ?? null);
    return isSame ? this.#current : createTable(config);
  }

  adopt(table: CallerTable | null, generation: number): void {
    if (table !== this.#current && this.#current !== null) {
      this.#left.push({ generation, table: this.#current });
    }
    this.#current = table;
  }

  retire(oldest: number): void {
    for (const { generation, table } of this.#left) {
      if (generation <= oldest) this.#refusedBefore += table.slots.refusedCount;
    }
    this.#left = this.#left.filter(({ generation }) => generation > oldest);
  }

  /** Only of a thread that has ended. */
  reclaim(worker: number): void {
    this.#current?.table.reclaim(worker);
    for (const { table } of this.#left) table.table.reclaim(worker);
  }
}

function createTable(config: Config): CallerTable | null {
  const plan = planCallers(config);
  if (plan === null) return null;
  const buffer = createTableBuffer(plan, toSharedMs(nowMs()));
  const table = new LimitTable(buffer, plan, -1);
  return { config: config.callers, buffer, table, slots: new DynamicSlots(table) };
}

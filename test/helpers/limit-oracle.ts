/**
 * The textbook's token bucket in whole numbers without a bound, one thread, written without a look at GCRA: it keeps
 * what is in the bucket and pours in what has flown since. A drop is what a tick is in the table.
 */
import type { LimitConfig } from '../../src/config/model.js';
import { planRate } from '../../src/limits/rates.js';
import type { Need, Usage } from '../../src/limits/reservation.js';

export class OracleBucket {
  readonly config: LimitConfig;
  readonly dropsPerMs: bigint;
  readonly dropsPerUnit: bigint;
  readonly capacity: bigint;
  content: bigint;
  reserved = 0n;
  settled = 0n;
  refunded = 0n;
  overdrawn = 0n;
  held = 0n;
  #seenDrops = 0n;

  constructor(config: LimitConfig) {
    const { ticksPerMs, ticksPerUnit, capacityUnits } = planRate(config);
    this.config = config;
    this.dropsPerMs = BigInt(ticksPerMs);
    this.dropsPerUnit = BigInt(ticksPerUnit);
    this.capacity = BigInt(capacityUnits);
    this.content = this.capacity * this.dropsPerUnit;
  }

  /** @param parts 1/1024 milliseconds since the bucket was full. */
  pour(parts: number): void {
    if (this.config.kind === 'concurrency') return;
    const drops = (BigInt(parts) * this.dropsPerMs) / 1024n;
    this.#add(drops - this.#seenDrops);
    this.#seenDrops = drops;
  }

  #add(drops: bigint): void {
    const full = this.capacity * this.dropsPerUnit;
    this.content += drops;
    if (this.content > full) this.content = full;
  }

  amountOf({ requests, inputTokens, outputTokens, costNanoDollars }: Need): bigint {
    const amounts = {
      requests,
      tokens: inputTokens + outputTokens,
      input_tokens: inputTokens,
      output_tokens: outputTokens,
      cost: costNanoDollars,
      concurrency: 1,
    };
    const amount = BigInt(amounts[this.config.kind]);
    return amount > this.capacity ? this.capacity : amount;
  }

  holds(amount: bigint): boolean {
    return this.content >= amount * this.dropsPerUnit;
  }

  reserve(amount: bigint): void {
    this.content -= amount * this.dropsPerUnit;
    this.reserved += amount;
    this.held += amount;
  }

  /** @param actual null: gives everything back. */
  settle(reserved: bigint, actual: Usage | null): void {
    const { kind } = this.config;
    let used = 0n;
    if (actual !== null) {
      if (kind === 'requests' || kind === 'concurrency') used = reserved;
      else if (kind === 'tokens') used = BigInt(actual.inputTokens + actual.outputTokens);
      else if (kind === 'input_tokens') used = BigInt(actual.inputTokens);
      else if (kind === 'output_tokens') used = BigInt(actual.outputTokens);
      else used = BigInt(actual.costNanoDollars);
    }
    this.#add((reserved - (kind === 'concurrency' ? 0n : used)) * this.dropsPerUnit);
    this.held -= reserved;
    this.settled += used;
    if (used < reserved) this.refunded += reserved - used;
    else this.overdrawn += used - reserved;
  }
}

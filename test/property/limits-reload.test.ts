/**
 * Configurations follow each other in one table while exchanges of all of them are under way: whatever comes in whatever
 * order, a limit that stays keeps its row and its bucket, no row serves two limits, and every sum is what it should be.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ConsumerConfig, LimitConfig } from '../../src/config/model.js';
import { Ledger } from '../../src/limits/ledger.js';
import { findRow, planConsumers, type TablePlan } from '../../src/limits/plan.js';
import type { Reservation } from '../../src/limits/reservation.js';
import { writeRows } from '../../src/limits/row-change.js';
import { RowKeeper } from '../../src/limits/row-keeper.js';
import { createTableBuffer, LimitTable } from '../../src/limits/table.js';
import { consumer, EPOCH_MS, meter, together } from '../helpers/limit-tables.js';

const DAY_MS = 86_400_000;
const CONSUMERS = 4;
const CAPACITY = 40;
/** The first three continue each other when one takes the place of another; so do the next two. */
const LIMITS: readonly LimitConfig[] = [
  meter('tokens', 1000, DAY_MS),
  meter('tokens', 2000, DAY_MS),
  meter('tokens', 1000, DAY_MS, { burst: 3000 }),
  together(50),
  together(60),
  meter('requests', 500, DAY_MS),
  meter('requests', 500, DAY_MS, { models: ['m'] }),
];

/** What the table must say of one limit. */
interface Bucket {
  readonly row: number;
  readonly limit: LimitConfig;
  missing: number;
  held: number;
  settled: number;
}

interface Taken {
  readonly bucket: Bucket;
  readonly units: number;
}

interface Open {
  readonly generation: Generation;
  readonly reservation: Reservation;
  readonly taken: readonly Taken[];
}

interface Generation {
  readonly number: number;
  readonly plan: TablePlan;
  readonly ledger: Ledger;
  readonly buckets: ReadonlyMap<string, Bucket>;
}

type Step =
  | { readonly kind: 'ask'; readonly consumer: number; readonly tokens: number }
  | { readonly kind: 'settle'; readonly which: number; readonly tokens: number }
  | {
      readonly kind: 'reload';
      readonly lists: readonly (readonly number[])[];
      readonly drop: number;
    }
  | { readonly kind: 'fail'; readonly lists: readonly (readonly number[])[] };

const lists = fc.array(fc.uniqueArray(fc.nat(LIMITS.length - 1), { maxLength: 4 }), {
  minLength: CONSUMERS,
  maxLength: CONSUMERS,
});
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('ask' as const), consumer: fc.nat(3), tokens: fc.nat(20) }),
  fc.record({ kind: fc.constant('settle' as const), which: fc.nat(), tokens: fc.nat(30) }),
  fc.record({ kind: fc.constant('reload' as const), lists, drop: fc.nat(2 * CONSUMERS) }),
  fc.record({ kind: fc.constant('fail' as const), lists }),
);

/** `drop`: a consumer that is not there, if there is one of that number. */
function toConsumers(chosen: readonly (readonly number[])[], drop: number): ConsumerConfig[] {
  return chosen.flatMap((list, index) =>
    index === drop
      ? []
      : consumer(
          `c${index}`,
          list.map((at) => LIMITS[at]!),
        ),
  );
}

function isKept(old: LimitConfig, next: LimitConfig): boolean {
  const areCounts = old.kind === 'concurrency' && next.kind === 'concurrency';
  return areCounts || JSON.stringify(old) === JSON.stringify(next);
}

function continues(old: LimitConfig, next: LimitConfig): boolean {
  if (old.kind === 'concurrency' || next.kind === 'concurrency') return false;
  return old.kind === next.kind && JSON.stringify(old.models) === JSON.stringify(next.models);
}

class World {
  readonly #buffer: SharedArrayBuffer;
  readonly #keeper: RowKeeper;
  #table: LimitTable;
  #current: Generation;
  #lastNumber = 1;
  readonly #open: Open[] = [];

  constructor() {
    const plan = planConsumers({ consumers: [], workers: 1 }, { capacity: CAPACITY });
    this.#buffer = createTableBuffer(plan, EPOCH_MS);
    this.#keeper = new RowKeeper(plan);
    this.#table = new LimitTable(this.#buffer, plan, -1);
    this.#current = this.#createGeneration(1, plan, new Map());
  }

  take(one: Step): void {
    if (one.kind === 'ask') this.#ask(one.consumer, one.tokens);
    else if (one.kind === 'settle') this.#settle(one.which, one.tokens);
    else if (one.kind === 'reload') this.#reload(toConsumers(one.lists, one.drop));
    else this.#fail(toConsumers(one.lists, -1));
    this.#check();
  }

  finish(): void {
    while (this.#open.length > 0) this.#settle(0, 1);
    this.#check();
    this.#retire();
  }

  #createGeneration(number: number, plan: TablePlan, buckets: Map<string, Bucket>): Generation {
    const ledger = new Ledger(new LimitTable(this.#buffer, plan, 0));
    return { number, plan, ledger, buckets };
  }

  #ask(at: number, tokens: number): void {
    const { plan, ledger, buckets } = this.#current;
    const { limits, name } = plan.consumers[at] ?? { limits: [], name: '' };
    if (limits.length === 0) return;
    const reservation = ledger.createReservation();
    const need = { requests: 1, inputTokens: tokens, outputTokens: 0, costNanoDollars: 0 };
    const refusal = ledger.reserve(at, 'm', need, EPOCH_MS, reservation);
    if (refusal !== null) return;
    const taken = limits.map((limit, index) => {
      const bucket = buckets.get(`${name} ${index}`)!;
      const units = limit.kind === 'tokens' ? tokens : 1;
      bucket.missing += units;
      bucket.held += units;
      return { bucket, units };
    });
    this.#open.push({ generation: this.#current, reservation, taken });
  }

  #settle(which: number, tokens: number): void {
    if (this.#open.length === 0) return;
    const [one] = this.#open.splice(which % this.#open.length, 1);
    const { generation, reservation, taken } = one!;
    const used = { inputTokens: tokens, outputTokens: 0, costNanoDollars: 0 };
    generation.ledger.settle(reservation, used, EPOCH_MS);
    for (const { bucket, units } of taken) {
      const { kind } = bucket.limit;
      bucket.held -= units;
      bucket.settled += kind === 'tokens' ? tokens : kind === 'requests' ? 1 : 0;
      if (kind === 'tokens') bucket.missing = Math.max(0, bucket.missing + tokens - units);
      if (kind === 'concurrency') bucket.missing -= 1;
    }
    this.#retire();
  }

  #reload(consumers: readonly ConsumerConfig[]): void {
    const change = this.#keeper.plan(this.#current.plan, consumers);
    if (change === null) return;
    this.#lastNumber += 1;
    writeRows(this.#buffer, this.#table, change, EPOCH_MS);
    this.#keeper.adopt(change, this.#lastNumber);
    this.#table = new LimitTable(this.#buffer, change.plan, -1);
    const before = this.#current;
    this.#current = this.#createGeneration(
      this.#lastNumber,
      change.plan,
      this.#expectBuckets(before, change.plan),
    );
    this.#retire();
  }

  /** A worker could not build it. */
  #fail(consumers: readonly ConsumerConfig[]): void {
    const change = this.#keeper.plan(this.#current.plan, consumers);
    if (change !== null) this.#keeper.discard(change);
  }

  #expectBuckets(before: Generation, plan: TablePlan): Map<string, Bucket> {
    const buckets = new Map<string, Bucket>();
    plan.consumers.forEach(({ name, limits }, at) => {
      const old = [...before.buckets].filter(([key]) => key.startsWith(`${name} `));
      const left = new Set(old.map(([, bucket]) => bucket));
      const takeFirst = (accepts: (bucket: Bucket) => boolean): Bucket | undefined => {
        const found = [...left].find(accepts);
        if (found !== undefined) left.delete(found);
        return found;
      };
      const kept = limits.map((limit) => takeFirst((bucket) => isKept(bucket.limit, limit)));
      limits.forEach((limit, index) => {
        const row = findRow(plan, at, index);
        const same = kept[index];
        if (same !== undefined) {
          assert.equal(row, same.row, 'an unchanged limit has another row');
          // The number of a concurrency may be another; what it has counted is the same.
          buckets.set(`${name} ${index}`, Object.assign(same, { limit }));
          return;
        }
        const from = takeFirst((bucket) => continues(bucket.limit, limit));
        const missing = from?.missing ?? 0;
        buckets.set(`${name} ${index}`, { row, limit, missing, held: 0, settled: 0 });
      });
    });
    return buckets;
  }

  /** As the last exchange of a generation ends, what only it knew is free. */
  #retire(): void {
    const living = this.#open.map(({ generation }) => generation.number);
    const oldest = Math.min(this.#current.number, ...living);
    this.#keeper.retire(oldest, (row) => this.#table.forget(row));
  }

  #check(): void {
    const users = new Map<number, Bucket>();
    const living = [
      ...this.#current.buckets.values(),
      ...this.#open.flatMap(({ taken }) => taken.map(({ bucket }) => bucket)),
    ];
    for (const bucket of living) {
      assert.equal(users.get(bucket.row) ?? bucket, bucket, `row ${bucket.row} serves two limits`);
      users.set(bucket.row, bucket);
    }
    for (const { row, missing, held, settled, limit } of this.#current.buckets.values()) {
      const state = this.#table.readRow(row, EPOCH_MS);
      const capacity = limit.kind === 'concurrency' ? limit.amount : limit.burst;
      const seen = { held: state.held, settled: state.settled, level: state.level - state.debt };
      // Exchanges of a concurrency are settled as none: only those under way count.
      assert.deepEqual(seen, {
        held,
        settled: limit.kind === 'concurrency' ? seen.settled : settled,
        level: capacity - missing,
      });
    }
  }
}

test('a row serves two limits, or an unchanged limit loses what it has counted', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = new World();
      for (const one of steps) world.take(one);
      world.finish();
    }),
    { numRuns: 300 },
  );
});

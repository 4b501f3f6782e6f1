/** Limits of callers beside those of consumers: taken together or not at all, and given up once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Admission } from '../../../src/admit/admission.js';
import { Estimator } from '../../../src/admit/estimate.js';
import { createPriceList } from '../../../src/admit/prices.js';
import type { CallersConfig, LimitConfig } from '../../../src/config/model.js';
import { nowMs, toSharedMs } from '../../../src/core/clock.js';
import { type ErrorCode, GatewayError } from '../../../src/core/errors.js';
import type { Exchange } from '../../../src/exchange.js';
import { Ledger } from '../../../src/limits/ledger.js';
import { planTable } from '../../../src/limits/plan.js';
import { createTableBuffer, LimitTable } from '../../../src/limits/table.js';
import { consumer, meter, together } from '../../helpers/limit-tables.js';
import { createPricedConfig } from '../../helpers/price-config.js';
import { createExchange } from '../../helpers/stage-fakes.js';
import { createTarget } from '../../helpers/usage-exchanges.js';

const HOUR_MS = 3_600_000;
const TARGET = createTarget({ entryName: 'm', position: 0, index: 0, provider: 'p', model: null });

interface Bench {
  readonly admission: Admission;
  readonly table: LimitTable;
  /** What can be taken of each row: the consumers' first, then those of each slot. */
  levels(): number[];
}

/** @param lists the limits of each consumer; null: nobody is asked for a key. */
function openBench(
  lists: readonly (readonly LimitConfig[])[] | null,
  callers: Partial<CallersConfig>,
): Bench {
  const consumers = lists?.map((limits, index) => consumer(`c${index}`, limits)) ?? null;
  const config = {
    consumers,
    callers: { by: 'address' as const, slots: 1, limits: [], ...callers },
  };
  const plan = planTable(consumers, { workers: 1, dynamic: config.callers });
  const buffer = createTableBuffer(plan, sharedNowMs());
  const table = new LimitTable(buffer, plan, 0);
  const ledger = new Ledger(table);
  const admission = new Admission(
    {
      consumers,
      callers: config.callers,
      ledger,
      // One table for both, so that one reading shows all of it.
      callerLedger: ledger,
      prices: createPriceList(createPricedConfig([], {}), {}),
      estimator: new Estimator(),
      recordsUsage: false,
      recordsUsers: false,
      countTokens: () => Promise.resolve(null),
      findDeputy: () => null,
    },
    plan.longestList,
  );
  return {
    admission,
    table,
    // Of limits by the hour nothing flows in while a test runs.
    levels: () =>
      Array.from({ length: plan.rowCount }, (_, row) => table.readRow(row, sharedNowMs()).level),
  };
}

function sharedNowMs(): number {
  return toSharedMs(nowMs());
}

function createCall(consumerIndex: number, callerAddress: string, user: string | null = null) {
  const exchange = createExchange({ callerAddress });
  exchange.target = TARGET;
  exchange.user = user;
  const consumerName = consumerIndex < 0 ? null : `c${consumerIndex}`;
  exchange.identity = { consumerIndex, consumerName, keyHeaders: [] };
  return exchange;
}

function readLimits({ admission }: Bench, exchange: Exchange): string {
  return Buffer.from(admission.formatLimits(exchange) ?? []).toString('latin1');
}

function admit({ admission }: Bench, exchange: Exchange): ErrorCode | 'admitted' {
  try {
    admission.prepare(exchange);
    assert.equal(admission.admit(exchange), null);
    return 'admitted';
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    exchange.error = error;
    return error.code;
  }
}

test('a refusal by the caller’s limits takes from the consumer’s, or leaves a trace there', () => {
  const bench = openBench([[meter('requests', 9, HOUR_MS), together(9)]], {
    limits: [meter('requests', 1, HOUR_MS), together(5)],
  });
  assert.equal(admit(bench, createCall(0, 'a')), 'admitted');
  assert.deepEqual(bench.levels(), [8, 8, 0, 4]);
  const refused = createCall(0, 'a');
  assert.equal(admit(bench, refused), 'rate_limit_exceeded');
  assert.match(refused.error?.message ?? '', /of this address is reached: 1 requests per 1h/);
  assert.match(readLimits(bench, refused), /limit-requests: 1\r\n.*remaining-requests: 0/);
  assert.deepEqual([refused.reservation, refused.callerReservation], [null, null]);
  assert.deepEqual(bench.levels(), [8, 8, 0, 4]);
  const row = bench.table.readRow(0, sharedNowMs());
  assert.deepEqual([row.refused, row.refunded], [0, 0]);
});

test('a refusal by the consumer’s limits takes from the caller’s, or keeps its slot', () => {
  const bench = openBench([[meter('requests', 1, HOUR_MS)], [meter('requests', 1, HOUR_MS)]], {
    limits: [meter('requests', 5, HOUR_MS), together(5)],
  });
  assert.equal(admit(bench, createCall(0, 'a')), 'admitted');
  assert.deepEqual(bench.levels(), [0, 1, 4, 4]);
  const refused = createCall(0, 'a');
  assert.equal(admit(bench, refused), 'rate_limit_exceeded');
  assert.match(refused.error?.message ?? '', /of consumer "c0" is reached/);
  assert.match(readLimits(bench, refused), /limit-requests: 1\r\n.*remaining-requests: 0/);
  assert.deepEqual(bench.levels(), [0, 1, 4, 4]);
});

test('both are settled once, whichever way the exchange ends', () => {
  const bench = openBench([[together(2)]], {
    limits: [meter('requests', 5, HOUR_MS), together(2)],
  });
  const answered = createCall(0, 'a');
  admit(bench, answered);
  const unsent = createCall(0, 'a');
  admit(bench, unsent);
  assert.deepEqual(bench.levels(), [0, 3, 0]);
  answered.sentMs = 1;
  for (const exchange of [answered, unsent, answered, unsent])
    bench.admission.settle(exchange, nowMs());
  assert.deepEqual(bench.levels(), [2, 4, 2], 'the request that was passed on stays used');
  const next = [createCall(0, 'a'), createCall(0, 'a')];
  for (const exchange of next) admit(bench, exchange);
  const held = next.flatMap((exchange) => [exchange.reservation, exchange.callerReservation]);
  assert.equal(new Set(held).size, 4, 'one reservation was kept for two');
});

test('without consumers callers are not limited, or requests alone make answers be looked into', () => {
  const bench = openBench(null, { limits: [meter('requests', 1, HOUR_MS)] });
  const first = createCall(-1, 'a');
  assert.equal(admit(bench, first), 'admitted');
  assert.deepEqual([first.isMetered, first.asksUsage, first.asksUser], [false, false, false]);
  assert.equal(admit(bench, createCall(-1, 'a')), 'rate_limit_exceeded');
  bench.admission.settle(first, nowMs());
  assert.deepEqual(bench.levels(), [1]);
});

test('limits of callers on tokens alone are settled with an estimate only', () => {
  const bench = openBench(null, { limits: [meter('tokens', 1000, HOUR_MS)] });
  const exchange = createCall(-1, 'a');
  exchange.model = 'm';
  exchange.body = {
    bytes: Buffer.from('{"model":"m"}'),
    isBorrowed: false,
    place: null,
    upload: null,
    totalBytes: 13,
    modelRange: null,
    isModelJson: true,
  };
  assert.equal(admit(bench, exchange), 'admitted');
  assert.deepEqual([exchange.isMetered, exchange.asksUsage], [true, true]);
  assert.ok(bench.levels()[0]! < 1000);
  bench.admission.settle(exchange, nowMs());
  assert.deepEqual(bench.levels(), [1000]);
});

test('headers tell of the roomier of two limits', () => {
  const bench = openBench([[meter('requests', 4, HOUR_MS)]], {
    limits: [meter('requests', 2, HOUR_MS)],
    slots: 4,
  });
  const remaining = (exchange: Exchange) => {
    admit(bench, exchange);
    return /limit-requests: (\d+)\r\nx-ratelimit-remaining-requests: (\d+)/
      .exec(readLimits(bench, exchange))
      ?.slice(1)
      .map(Number);
  };
  assert.deepEqual(remaining(createCall(0, 'a')), [2, 1]);
  assert.deepEqual(remaining(createCall(0, 'b')), [2, 1]);
  assert.deepEqual(remaining(createCall(0, 'c')), [4, 1]);
});

test('a full table is the caller’s fault, or costs consumers anything', () => {
  const bench = openBench([[meter('requests', 9, HOUR_MS)]], { limits: [together(5)] });
  assert.equal(admit(bench, createCall(0, 'a')), 'admitted');
  const stranger = createCall(0, 'b');
  assert.equal(admit(bench, stranger), 'overloaded');
  assert.ok((stranger.error?.retryAfterMs ?? 0) > 0);
  assert.equal(admit(bench, createCall(0, 'a')), 'admitted');
  assert.deepEqual(bench.levels(), [7, 3]);
});

test('users of two consumers share a bucket, or who names none is limited', () => {
  const bench = openBench([[], []], {
    by: 'user',
    slots: 16,
    limits: [meter('requests', 1, HOUR_MS)],
  });
  const call = (index: number, user: string | null) => admit(bench, createCall(index, '', user));
  assert.deepEqual([call(0, 'ann'), call(0, 'ann')], ['admitted', 'rate_limit_exceeded']);
  assert.deepEqual([call(1, 'ann'), call(0, 'bob')], ['admitted', 'admitted']);
  assert.deepEqual([call(0, null), call(0, null)], ['admitted', 'admitted']);
  const exchange = createCall(0, '', 'ann');
  admit(bench, exchange);
  assert.equal(exchange.asksUser, true);
  assert.match(exchange.error?.message ?? '', /of this user is reached/);
});

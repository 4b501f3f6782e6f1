/** The exchanges that an operator asks about, of all workers: failed ones and the slowest, of the last minutes. */
import { BOUNDS } from '../core/bounds.js';
import { nowMs, wallClockMs } from '../core/clock.js';
import type { Trail, TrailRecord } from '../observe/exchange-trail.js';
import type { ApiAnswer, ApiRoute } from './admin.js';

interface Kept {
  readonly record: TrailRecord;
  /** Unix time. */
  readonly atMs: number;
}

export class ExchangeLog {
  #failed: Kept[] = [];
  #slow: Kept[] = [];

  take({ failed, slow }: Trail): void {
    const offsetMs = wallClockMs() - nowMs();
    const keep = (record: TrailRecord): Kept => ({ record, atMs: record.endedMs + offsetMs });
    const oldestMs = wallClockMs() - BOUNDS.trailKeptMs;
    const isYoung = ({ atMs }: Kept): boolean => atMs >= oldestMs;
    // Among the failed the latest matter, among the slow the slowest.
    this.#failed = [...this.#failed.filter(isYoung), ...failed.map(keep)].slice(
      -BOUNDS.trailListMax,
    );
    this.#slow = [...this.#slow.filter(isYoung), ...slow.map(keep)]
      .sort((a, b) => b.record.times.ended - a.record.times.ended)
      .slice(0, BOUNDS.trailListMax);
  }

  /** The latest first. */
  get failed(): readonly Kept[] {
    return this.#failed.toReversed();
  }

  /** The slowest first. */
  get slow(): readonly Kept[] {
    return this.#slow;
  }

  find(id: string): Kept | null {
    return [...this.#failed, ...this.#slow].find(({ record }) => record.id === id) ?? null;
  }
}

const LIST_MAX_DEFAULT = 50;

export function createExchangesApi(log: ExchangeLog, collect: () => Promise<void>): ApiRoute {
  return {
    path: '/api/exchanges',
    method: 'GET',
    answer: async ({ query }): Promise<ApiAnswer> => {
      const max = Number(query.get('max') ?? LIST_MAX_DEFAULT);
      if (!Number.isInteger(max) || max < 1) {
        const expected = 'a whole number from 1';
        return { status: 400, value: { error: 'bad_request', field: 'max', expected } };
      }
      await collect();
      const id = query.get('id');
      if (id === null) {
        const [failed, slow] = [log.failed, log.slow].map((list) => list.slice(0, max).map(show));
        return { status: 200, value: { failed, slow } };
      }
      const found = log.find(id);
      return found === null
        ? { status: 404, value: { error: 'not_found', expected: EXPECTED_ID } }
        : { status: 200, value: show(found) };
    },
  };
}

const EXPECTED_ID =
  'the x-weir-id of an exchange of the last minutes that failed or was among the slowest; the access log has all';

function show({ record, atMs }: Kept): Readonly<Record<string, unknown>> {
  const { endedMs: _, ...rest } = record;
  return { ...rest, at_ms: Math.round(atMs) };
}

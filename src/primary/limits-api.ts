/** What operators may ask and change about limits on the admin port. */
import { BOUNDS } from '../core/bounds.js';
import { nearestNames } from '../core/nearest.js';
import type { ApiAnswer, ApiRoute } from './admin.js';
import type { LimitKeeper } from './limit-keeper.js';

/** Of one answer. */
const PAGE = 1000;

export function createLimitsApi(keeper: LimitKeeper): ApiRoute[] {
  return [
    {
      path: '/api/limits',
      method: 'GET',
      answer: ({ query }) => list(keeper, query),
    },
    {
      path: '/api/limits/reset',
      method: 'POST',
      answer: ({ body }) => change(keeper, body, 'reset'),
    },
    {
      path: '/api/limits/grant',
      method: 'POST',
      answer: ({ body }) => change(keeper, body, 'grant'),
    },
  ];
}

function list(keeper: LimitKeeper, query: URLSearchParams): ApiAnswer {
  const consumer = query.get('consumer');
  if (consumer !== null && !keeper.has(consumer)) {
    return refuseConsumer(keeper, consumer);
  }
  const skip = Number(query.get('skip') ?? 0);
  if (!Number.isInteger(skip) || skip < 0) {
    return refuse(400, 'skip', 'a whole number from 0');
  }
  const total = keeper.count(consumer);
  const limits = keeper.list(consumer, skip, PAGE);
  const next = skip + limits.length < total ? skip + limits.length : null;
  return { status: 200, value: { limits, total, next } };
}

function change(keeper: LimitKeeper, body: unknown, what: 'reset' | 'grant'): ApiAnswer {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return refuse(400, 'body', 'a JSON object');
  }
  const { consumer, limit, amount } = body as Readonly<Record<string, unknown>>;
  if (typeof consumer !== 'string') {
    return refuse(400, 'consumer', 'the name of a consumer');
  }
  if (!keeper.has(consumer)) {
    return refuseConsumer(keeper, consumer);
  }
  const known = keeper.list(consumer, 0, PAGE).map((view) => view.limit);
  const isLimit = typeof limit === 'string' && known.includes(limit);
  if (what === 'reset') {
    if (limit !== undefined && !isLimit) {
      return refuse(404, 'limit', `one of ${known.join(', ')}, or left out for all`);
    }
    return { status: 200, value: { reset: keeper.reset(consumer, isLimit ? limit : null) } };
  }
  if (!isLimit) {
    return refuse(404, 'limit', `one of ${known.join(', ')}`);
  }
  if (typeof amount !== 'number' || !(amount > 0) || !Number.isFinite(amount)) {
    return refuse(400, 'amount', 'a number above 0');
  }
  return keeper.grant(consumer, limit, amount)
    ? { status: 200, value: { granted: amount } }
    : refuse(400, 'limit', 'a limit with a period; a concurrency can’t be granted to');
}

function refuse(status: number, field: string, expected: string): ApiAnswer {
  return { status, value: { error: 'bad_request', field, expected } };
}

function refuseConsumer(keeper: LimitKeeper, consumer: string): ApiAnswer {
  const nearest = nearestNames(consumer, keeper.consumerNames, BOUNDS.suggestionsMax);
  return { status: 404, value: { error: 'not_found', field: 'consumer', nearest } };
}

/** What operators may ask and change about targets on the admin port. */
import { BOUNDS } from '../core/bounds.js';
import { nearestNames } from '../core/nearest.js';
import type { ApiAnswer, ApiRoute } from './admin.js';
import type { TargetKeeper } from './target-keeper.js';

/** Of one answer. */
const PAGE = 1000;

export function createTargetsApi(keeper: TargetKeeper): ApiRoute[] {
  return [
    {
      path: '/api/targets',
      method: 'GET',
      answer: ({ query }) => list(keeper, query),
    },
    {
      path: '/api/targets/drain',
      method: 'POST',
      answer: ({ body }) => change(keeper, body, true),
    },
    {
      path: '/api/targets/restore',
      method: 'POST',
      answer: ({ body }) => change(keeper, body, false),
    },
  ];
}

function list(keeper: TargetKeeper, query: URLSearchParams): ApiAnswer {
  const model = query.get('model');
  const provider = query.get('provider');
  const refusal = refuseUnknown(keeper, model, provider);
  if (refusal !== null) return refusal;
  const skip = Number(query.get('skip') ?? 0);
  if (!Number.isInteger(skip) || skip < 0) {
    return refuse('skip', 'a whole number from 0');
  }
  const { targets, total } = keeper.list(model, provider, skip, PAGE);
  const next = skip + targets.length < total ? skip + targets.length : null;
  return { status: 200, value: { targets, total, next } };
}

const FIELDS: readonly string[] = ['model', 'provider'];

function change(keeper: TargetKeeper, body: unknown, isDrained: boolean): ApiAnswer {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return refuse('body', 'a JSON object');
  }
  // A mistyped `model` would mean all of the provider's targets.
  const unknown = Object.keys(body).find((key) => !FIELDS.includes(key));
  if (unknown !== undefined) return refuse('body', `nothing but ${FIELDS.join(' and ')}`);
  const { model, provider } = body as Readonly<Record<string, unknown>>;
  if (typeof provider !== 'string') return refuse('provider', 'the name of a provider');
  if (model !== undefined && typeof model !== 'string') {
    return refuse('model', 'the name of a model, or left out for all of the provider’s');
  }
  const choice = { model: model ?? null, provider };
  const refusal = refuseUnknown(keeper, choice.model, provider);
  if (refusal !== null) return refusal;
  const { changed, unchanged, unserved } = keeper.setDrained(choice, isDrained);
  const done = isDrained ? { drained: changed } : { restored: changed };
  return { status: 200, value: { ...done, unchanged, unserved_models: unserved } };
}

function refuse(field: string, expected: string): ApiAnswer {
  return { status: 400, value: { error: 'bad_request', field, expected } };
}

function refuseUnknown(
  keeper: TargetKeeper,
  model: string | null,
  provider: string | null,
): ApiAnswer | null {
  if (provider !== null && !keeper.has(null, provider)) {
    return refuseName('provider', provider, keeper.providers);
  }
  if (model !== null && !keeper.has(model, null)) {
    return refuseName('model', model, keeper.models);
  }
  if (keeper.has(model, provider)) return null;
  const expected = 'a model and a provider of one of its targets';
  return { status: 404, value: { error: 'not_found', field: 'model', expected } };
}

function refuseName(field: string, name: string, known: readonly string[]): ApiAnswer {
  const nearest = nearestNames(name, known, BOUNDS.suggestionsMax);
  return { status: 404, value: { error: 'not_found', field, nearest } };
}

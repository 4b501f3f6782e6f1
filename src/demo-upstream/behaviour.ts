/**
 * How an answer is to behave: length, pace, failures. Named by query parameters and, with the prefix
 * `x-demo-`, by headers; gateways pass both through. In a header’s name `-` stands for `_`, because Weir
 * and other gateways refuse names with `_`.
 */
import type { RequestHead } from '../exchange.js';
import { ANSWER_BYTES_MAX, TOKENS_MAX, WAIT_MS_MAX } from './bounds.js';
import { RequestError } from './errors.js';

/** -1 means that nothing was asked for. */
export interface Behaviour {
  readonly tokens: number;
  readonly ttftMs: number;
  readonly paceMs: number;
  readonly headMs: number;
  readonly status: number;
  readonly cutAfter: number;
  readonly stallAfter: number;
  readonly bytes: number;
}

export const DEFAULT_BEHAVIOUR: Behaviour = Object.freeze({
  tokens: 64,
  ttftMs: 0,
  paceMs: 0,
  headMs: -1,
  status: -1,
  cutAfter: -1,
  stallAfter: -1,
  bytes: -1,
});

interface Parameter {
  readonly field: keyof Behaviour;
  readonly min: number;
  readonly max: number;
}

const PARAMETERS: ReadonlyMap<string, Parameter> = new Map([
  ['tokens', { field: 'tokens', min: 0, max: TOKENS_MAX }],
  ['ttft_ms', { field: 'ttftMs', min: 0, max: WAIT_MS_MAX }],
  ['pace_ms', { field: 'paceMs', min: 0, max: WAIT_MS_MAX }],
  ['head_ms', { field: 'headMs', min: 0, max: WAIT_MS_MAX }],
  ['status', { field: 'status', min: 400, max: 599 }],
  ['cut_after', { field: 'cutAfter', min: 0, max: TOKENS_MAX }],
  ['stall_after', { field: 'stallAfter', min: 0, max: TOKENS_MAX }],
  ['bytes', { field: 'bytes', min: 0, max: ANSWER_BYTES_MAX }],
] as const satisfies readonly (readonly [string, Parameter])[]);

const HEADER_PREFIX = 'x-demo-';

const WHOLE_NUMBER = /^[0-9]{1,10}$/;

/** @throws RequestError 400 that says which value was expected. */
export function readBehaviour(head: RequestHead): Behaviour {
  let behaviour: Behaviour | null = null;
  const { headers, query } = head;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (name.startsWith(HEADER_PREFIX)) {
      const parameter = name.slice(HEADER_PREFIX.length).replaceAll('-', '_');
      behaviour = setParameter(behaviour, parameter, headers[i + 1] as string, name);
    }
  }
  if (query === '') {
    return behaviour ?? DEFAULT_BEHAVIOUR;
  }
  for (const [name, value] of new URLSearchParams(query)) {
    // Other parameters belong to the API (such as ?beta=true of Anthropic’s SDK), so they are let be.
    if (PARAMETERS.has(name)) {
      behaviour = setParameter(behaviour, name, value, name);
    }
  }
  return behaviour ?? DEFAULT_BEHAVIOUR;
}

function setParameter(
  behaviour: Behaviour | null,
  name: string,
  value: string,
  shownName: string,
): Behaviour {
  const parameter = PARAMETERS.get(name);
  if (parameter === undefined) {
    const known = [...PARAMETERS.keys()].map((key) => HEADER_PREFIX + key.replaceAll('_', '-'));
    throw new RequestError(400, `${shownName} is not one of ${known.join(', ')}.`, shownName);
  }
  const { field, min, max } = parameter;
  const number = WHOLE_NUMBER.test(value) ? Number(value) : -1;
  if (number < min || number > max) {
    throw new RequestError(
      400,
      `${shownName} must be a whole number from ${min} to ${max}, not ${JSON.stringify(value.slice(0, 64))}.`,
      shownName,
    );
  }
  return { ...(behaviour ?? DEFAULT_BEHAVIOUR), [field]: number };
}

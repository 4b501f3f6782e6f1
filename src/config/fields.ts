/**
 * The scalar fields of the configuration: what each accepts, how a refusal reads, and what an editor
 * is told about it. A number may stand in quotes, because `${NAME}` always gives a string.
 */
import { z } from 'zod';
import { NAMED_NETWORKS, readNetworks } from '../core/ip-address.js';
import { isHost, PORT_MAX, parseAddress } from './address.js';
import type { HashBy, ListenAddress } from './model.js';
import { Refusal } from './refusal.js';
import {
  DURATION_PATTERN,
  formatDuration,
  formatSize,
  parseDurationMs,
  parseSizeBytes,
  SIZE_PATTERN,
} from './units.js';

type JsonSchema = Readonly<Record<string, unknown>>;

/** Wherever something narrower than a string is asked for, a variable may stand. */
const VARIABLE: JsonSchema = {
  type: 'string',
  pattern: '\\$\\{',
  description: 'An environment variable.',
};

interface FieldSpec<T> {
  /** Alternatives for editors; none means any string. */
  readonly json: readonly JsonSchema[];
  readonly refusal: Refusal;
  /** Returns a Refusal to replace the general one, null for the general one. */
  readonly read: (value: unknown) => { readonly value: T } | Refusal | null;
}

export function field<T>(spec: FieldSpec<T>): z.ZodType<T> {
  const json = spec.json.length === 0 ? { type: 'string' } : { anyOf: [...spec.json, VARIABLE] };
  return z
    .unknown()
    .transform((value, context): T => {
      const result = spec.read(value);
      if (result !== null && !(result instanceof Refusal)) return result.value;
      context.addIssue({ code: 'custom', params: { refusal: result ?? spec.refusal } });
      return z.NEVER;
    })
    .meta(json);
}

export function choice<const T extends string>(names: readonly T[]): z.ZodType<T> {
  return field<T>({
    json: [{ enum: names }],
    refusal: new Refusal(`one of ${names.join(', ')}`, { candidates: names }),
    read: (value) => {
      const name = names.find((candidate) => candidate === value);
      return name === undefined ? null : { value: name };
    },
  });
}

export function onOff(): z.ZodType<boolean> {
  return field({
    json: [{ enum: ['on', 'off', true, false] }],
    refusal: new Refusal('on or off'),
    // YAML 1.2 reads on and off as strings.
    read: (value) => {
      if (value === true || value === 'on' || value === 'true') return { value: true };
      if (value === false || value === 'off' || value === 'false') return { value: false };
      return null;
    },
  });
}

/** What stands in place of a mapping to do without it; null. */
export function off(): z.ZodType<null> {
  return field({
    json: [{ enum: ['off', false] }],
    refusal: new Refusal('off or a mapping', { candidates: ['off'] }),
    read: (value) =>
      value === 'off' || value === false || value === 'false' ? { value: null } : null,
  });
}

/** A path for a request line, with a query or without. */
export function requestPath(): z.ZodType<string> {
  return field({
    json: [{ type: 'string', pattern: '^/[!-~]*$' }],
    refusal: new Refusal('a path such as /v1/models, without spaces and #'),
    read: (value) =>
      typeof value === 'string' && /^\/[!-~]*$/.test(value) && !value.includes('#')
        ? { value }
        : null,
  });
}

export function duration(maxMs: number): z.ZodType<number> {
  const max = formatDuration(maxMs);
  return field({
    json: [{ type: 'string', pattern: DURATION_PATTERN }],
    refusal: new Refusal(`a duration such as 500ms, 30s, 1m, 1h or 1d, from 1ms to ${max}`),
    read: (value) => {
      const durationMs = typeof value === 'string' ? parseDurationMs(value) : null;
      return durationMs === null || durationMs < 1 || durationMs > maxMs
        ? null
        : { value: durationMs };
    },
  });
}

/** In bytes. */
export function size(minBytes: number, maxBytes: number): z.ZodType<number> {
  const range = `from ${formatSize(minBytes)} to ${formatSize(maxBytes)}`;
  return field({
    json: [{ type: 'string', pattern: SIZE_PATTERN }],
    refusal: new Refusal(`a size such as 64mb or 1gb, ${range}`),
    read: (value) => {
      const bytes = typeof value === 'string' ? parseSizeBytes(value) : null;
      return bytes === null || bytes < minBytes || bytes > maxBytes ? null : { value: bytes };
    },
  });
}

export function wholeNumber(min: number, max: number): z.ZodType<number> {
  return field({
    json: [{ type: 'integer', minimum: min, maximum: max }],
    refusal: new Refusal(`a whole number from ${min} to ${formatNumber(max)}`),
    read: (value) => {
      const number = readNumber(value);
      const isInside = Number.isInteger(number) && number >= min && number <= max;
      return isInside ? { value: number } : null;
    },
  });
}

/** A number above zero, fractions allowed. */
export function amount(max: number): z.ZodType<number> {
  return field({
    json: [{ type: 'number', exclusiveMinimum: 0, maximum: max }],
    refusal: new Refusal(`a number above 0 and up to ${formatNumber(max)}`),
    read: (value) => {
      const number = readNumber(value);
      return number > 0 && number <= max ? { value: number } : null;
    },
  });
}

/** A price: a number that may be 0. */
export function price(max: number): z.ZodType<number> {
  return field({
    json: [{ type: 'number', minimum: 0, maximum: max }],
    refusal: new Refusal(`a number from 0 to ${formatNumber(max)}`),
    read: (value) => {
      const number = readNumber(value);
      return number >= 0 && number <= max ? { value: number } : null;
    },
  });
}

/** The number of worker threads; null stands for `auto`. */
export function workerCount(max: number): z.ZodType<number | null> {
  return field({
    json: [{ const: 'auto' }, { type: 'integer', minimum: 1, maximum: max }],
    refusal: new Refusal(`auto or a whole number from 1 to ${max}`, { candidates: ['auto'] }),
    read: (value) => {
      if (value === 'auto') return { value: null };
      const number = readNumber(value);
      return Number.isInteger(number) && number >= 1 && number <= max ? { value: number } : null;
    },
  });
}

export function address(hostDefault: string): z.ZodType<ListenAddress> {
  return field({
    json: [
      { type: 'string', pattern: '^(.+:)?[0-9]+$' },
      { type: 'integer', minimum: 0, maximum: PORT_MAX },
    ],
    refusal: new Refusal(
      'host:port with a port up to 65535 (an IPv6 host in brackets), a port, or a mapping',
    ),
    read: (value) => {
      const parsed = parseAddress(value, hostDefault);
      return parsed === null ? null : { value: parsed };
    },
  });
}

export function host(): z.ZodType<string> {
  return field({
    json: [],
    refusal: new Refusal('a host name or an IP address'),
    read: (value) => (typeof value === 'string' && isHost(value) ? { value } : null),
  });
}

/** Networks that one word stands for; kept as the word. Everybody is nobody to trust. */
export function networks(): z.ZodType<string> {
  const names = Object.keys(NAMED_NETWORKS);
  const expected = `an address, a network such as 10.0.0.0/8, or ${names.join(' or ')}`;
  return field({
    json: [{ type: 'string', pattern: '^[0-9A-Fa-f.:]+(/[0-9]+)?$' }, { enum: names }],
    refusal: new Refusal(expected, { candidates: names }),
    read: (value) => {
      const read = typeof value === 'string' ? readNetworks(value) : null;
      if (read === null) {
        const isShort = typeof value === 'string' && value.includes('/');
        const reason = `expected ${expected}, without bits behind its prefix`;
        return isShort ? new Refusal(expected, { reason }) : null;
      }
      if (!/\/0+$/.test(String(value))) return { value: String(value) };
      const reason = 'trusts everybody, so every caller could write its own address';
      return new Refusal(expected, { reason });
    },
  });
}

/** What the hash policy goes by. Header names come in lower case, without `_` (P-06). */
export function hashBy(): z.ZodType<HashBy> {
  const names = ['consumer', 'prompt'] as const;
  return field<HashBy>({
    json: [{ enum: names }, { type: 'string', pattern: '^header:.+$' }],
    refusal: new Refusal('consumer, prompt or header:NAME', { candidates: names }),
    read: (value) => {
      if (typeof value !== 'string') return null;
      const name = names.find((candidate) => candidate === value);
      if (name !== undefined) return { value: name };
      const header = HASHED_HEADER.exec(value)?.[1]?.toLowerCase();
      return header === undefined ? null : { value: `header:${header}` };
    },
  });
}

/** A header's name by RFC 9110, as src/core/header-roles.ts lets it through. */
const HASHED_HEADER = /^header:([!#$%&'*+\-.^`|~0-9A-Za-z]{1,128})$/;

/** A string with something in it; where it may be left out, an empty one counts as left out. */
export function text(
  expected: string,
  options: { readonly mayBeEmpty?: boolean } = {},
): z.ZodType<string> {
  return field({
    json: [],
    refusal: new Refusal(expected),
    read: (value) => {
      const isRight = typeof value === 'string' && (value !== '' || options.mayBeEmpty === true);
      return isRight && !hasControlCharacters(value) ? { value } : null;
    },
  });
}

export function hasControlCharacters(value: string): boolean {
  return /\p{Cc}/u.test(value);
}

/** Returns NaN for what is no number. */
export function readNumber(value: unknown): number {
  if (typeof value === 'number') return value;
  const isDecimal = typeof value === 'string' && /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(value);
  return isDecimal ? Number(value) : Number.NaN;
}

function formatNumber(value: number): string {
  return value >= 1e9 ? value.toExponential().replace('e+', 'e') : String(value);
}

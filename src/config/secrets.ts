/** The fields whose values are secret, or may hold a secret: no refusal of theirs prints the value. */
import { createHash } from 'node:crypto';
import type { z } from 'zod';
import type { DialectName } from '../core/errors.js';
import { field } from './fields.js';
import { Refusal } from './refusal.js';

const VISIBLE_ASCII = /^[\x21-\x7e]+$/;
const DIGEST = /^sha256:([0-9a-f]{64})$/i;

/** A provider's credential; null where it is left out or empty. */
export function apiKey(): z.ZodType<string | null> {
  return field({
    json: [],
    refusal: new Refusal('a key as a string', { isSecret: true }),
    read: (value) => {
      if (value === '') return { value: null };
      if (typeof value !== 'string') return null;
      if (VISIBLE_ASCII.test(value)) return { value };
      const reason =
        'the key holds a space, a control character or a character outside ASCII (not shown)';
      return new Refusal('a key as a string', { reason });
    },
  });
}

/** Shorter ones can be guessed over a network. */
const TOKEN_CHARS_MIN = 16;

/** What opens the admin port; null where it is left out or empty. */
export function adminToken(): z.ZodType<string | null> {
  const expected = `a token of ${TOKEN_CHARS_MIN} or more visible ASCII characters`;
  return field({
    json: [],
    refusal: new Refusal(expected, { isSecret: true }),
    read: (value) => {
      if (value === '') return { value: null };
      const isToken = typeof value === 'string' && VISIBLE_ASCII.test(value);
      return isToken && value.length >= TOKEN_CHARS_MIN ? { value } : null;
    },
  });
}

const HEADER_VALUE = /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/;

/** The value of a header that may hold a credential. */
export function headerValue(): z.ZodType<string> {
  return field({
    json: [],
    refusal: new Refusal('a header value of visible ASCII characters', { isSecret: true }),
    read: (value) => (typeof value === 'string' && HEADER_VALUE.test(value) ? { value } : null),
  });
}

const TRACES_PATH = '/v1/traces';

/** Where spans are posted to; null where it is empty. It may be mistaken for a place for credentials. */
export function traceEndpoint(): z.ZodType<string | null> {
  const expected = 'an http:// or https:// URL';
  return field({
    json: [{ type: 'string', pattern: '^(https?://[^#@\\s]+)?$' }],
    refusal: new Refusal(expected),
    read: (value) => {
      if (value === '') return { value: null };
      if (typeof value !== 'string') return null;
      if (value.includes('@')) {
        return new Refusal(expected, {
          reason: 'must not hold a user name or password (not shown); use headers',
        });
      }
      const url = parseUrl(value);
      if (url === null || url.hash !== '') return null;
      return {
        value: url.pathname === '/' ? `${url.origin}${TRACES_PATH}${url.search}` : url.href,
      };
    },
  });
}

/** A consumer's key, plain or as its digest; read as the SHA-256 in lower-case hex. */
export function consumerKey(): z.ZodType<string> {
  const expected = 'a key of visible ASCII characters, or sha256: and 64 hex digits';
  return field({
    json: [],
    refusal: new Refusal(expected, { isSecret: true }),
    read: (value) => {
      const digest = digestConsumerKey(value);
      if (digest !== null) return { value: digest };
      if (typeof value !== 'string') return null;
      const reason = `expected ${expected}; this one is not (not shown)`;
      return new Refusal(expected, { reason });
    },
  });
}

/** Returns null for what is no key. */
export function digestConsumerKey(value: unknown): string | null {
  if (typeof value !== 'string' || !VISIBLE_ASCII.test(value)) return null;
  const [, hex] = DIGEST.exec(value) ?? [];
  if (hex !== undefined) return hex.toLowerCase();
  // A digest that was cut short must not become a key that nobody can send.
  if (/^sha256:/i.test(value)) return null;
  return createHash('sha256').update(value).digest('hex');
}

/** A provider's base URL without trailing slashes. It may be mistaken for a place for credentials. */
export function baseUrl(): z.ZodType<string> {
  const expected = 'an http:// or https:// URL';
  return field({
    json: [{ type: 'string', pattern: '^https?://[^?#@\\s]+$' }],
    refusal: new Refusal(expected),
    read: (value) => {
      if (typeof value !== 'string') return null;
      const url = parseUrl(value);
      if (value.includes('@')) {
        return new Refusal(expected, {
          reason: 'must not hold a user name or password (not shown); use api_key',
        });
      }
      if (/[?#]/.test(value)) {
        return new Refusal(expected, { reason: 'must not hold a query or a fragment' });
      }
      return url === null ? null : { value: `${url.origin}${url.pathname}`.replace(/\/+$/, '') };
    },
  });
}

/** An HTTP proxy, maybe with user and password; null where it is left out or empty. */
export function proxyUrl(): z.ZodType<string | null> {
  const expected = 'an http:// URL with host and port, maybe with a user and a password';
  const refusal = new Refusal(expected, { isSecret: true });
  return field({
    json: [],
    refusal,
    read: (value) => {
      if (value === '') return { value: null };
      const url = typeof value === 'string' ? parseUrl(value) : null;
      if (url === null || url.protocol !== 'http:' || url.hostname === '') return null;
      if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
        return new Refusal(expected, { reason: 'must not hold a path, a query or a fragment' });
      }
      if (!isDecodable(url.username) || !isDecodable(url.password)) {
        const reason = 'the user name or the password holds a % that begins no escape (not shown)';
        return new Refusal(expected, { reason });
      }
      return { value: String(value) };
    },
  });
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** Clients of Anthropic's API give the base URL without `/v1`, those of OpenAI's with it. */
export function completeBaseUrl(url: string, dialect: DialectName): string {
  return dialect === 'anthropic' && !url.endsWith('/v1') ? `${url}/v1` : url;
}

function parseUrl(value: string): URL | null {
  if (/[\s\p{Cc}\\]/u.test(value) || !/^https?:\/\//i.test(value)) return null;
  try {
    return new URL(value);
  } catch {
    return null;
  }
}

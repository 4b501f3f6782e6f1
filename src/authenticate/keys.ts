/**
 * Which consumer calls, by the key that came along. Configured keys are known here by their SHA-256 only; what is
 * looked up is the digest of what the caller sent, so the time it takes says nothing about how much of a guessed
 * key is right.
 *
 * Digests cost more than all else about a key, so headers with a right one are remembered as they came. Those are
 * looked up by a hash that is seeded at random: a guess is compared with one of them only where the whole
 * hash is the same, so the time still says nothing of a part. What is wrong is never remembered.
 */
import { hash } from 'node:crypto';
import type { ConsumerConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { GatewayError, OperatorError } from '../core/errors.js';
import { CREDENTIAL, findHeaderName } from '../core/header-roles.js';
import type { RequestHead } from '../exchange.js';
import { RememberedKeys } from './remembered-keys.js';

/** Who calls, and what must not be forwarded. */
export interface Identity {
  /** Place in the configuration's list, -1 if nobody is asked for a key. */
  readonly consumerIndex: number;
  /** null if nobody is asked for a key. */
  readonly consumerName: string | null;
  /** Names of the headers that carried one of Weir's keys. They must never reach a provider. */
  readonly keyHeaders: readonly string[];
}

/** What of a request's head may carry keys. */
export type Credentials = Pick<RequestHead, 'headers' | 'firstCredential' | 'lastCredential'>;

export interface KeyTable {
  /** Throws `missing_key` or `invalid_key`. */
  identify(head: Credentials): Identity;
}

const KEY_HEADERS = ['authorization', 'x-api-key', 'api-key'] as const;
const ANYBODY: Identity = Object.freeze({
  consumerIndex: -1,
  consumerName: null,
  keyHeaders: Object.freeze([]),
});
const BEYOND_LATIN1 = /[^\0-\xff]/;
const BEYOND_ASCII = /[^\0-\x7f]/;

/** Throws an OperatorError if two consumers have the same key. null: nobody is asked for a key. */
export function createKeyTable(consumers: readonly ConsumerConfig[] | null): KeyTable {
  if (consumers === null) return { identify: () => ANYBODY };
  const indexOfDigest = new Map<string, number>();
  consumers.forEach((consumer, index) => {
    for (const digest of consumer.keyDigests) {
      const other = indexOfDigest.get(digest) ?? index;
      if (other !== index) {
        throw new OperatorError(
          `consumers ${consumers[other]!.name} and ${consumer.name} have a key in common`,
        );
      }
      indexOfDigest.set(digest, index);
    }
  });
  const known = new KnownKeys(indexOfDigest);

  return {
    identify({ headers, firstCredential, lastCredential }) {
      let consumerIndex = -1;
      let headerMask = 0;
      let hasKey = false;
      for (let i = firstCredential; i >= 0 && i <= lastCredential; i += 2) {
        const name = headers[i]!;
        if (i !== firstCredential && findHeaderName(name, i >> 1).role !== CREDENTIAL) continue;
        const mask = maskOfHeader(name);
        const index = known.find(mask === AUTHORIZATION, headers[i + 1]!);
        if (index !== NO_KEY) hasKey = true;
        if (index < 0) continue;
        // Later headers are looked at too: a second key of Weir's must not be forwarded either.
        headerMask |= mask;
        if (consumerIndex === -1) consumerIndex = index;
      }
      if (consumerIndex !== -1) {
        return new ConsumerIdentity(consumers, consumerIndex, HEADER_SETS[headerMask]!);
      }
      if (hasKey) throw new GatewayError('invalid_key', 'The key that was sent is not valid here.');
      throw new GatewayError(
        'missing_key',
        'No key was sent. Send one as `authorization: Bearer …`, `x-api-key` or `api-key`.',
      );
    },
  };
}

/**
 * Made for each call: with a hundred thousand consumers, one that is kept would have to be fetched from memory that no
 * cache holds, which takes longer.
 */
class ConsumerIdentity implements Identity {
  readonly consumerIndex: number;
  readonly keyHeaders: readonly string[];
  readonly #consumers: readonly ConsumerConfig[];

  constructor(
    consumers: readonly ConsumerConfig[],
    consumerIndex: number,
    keyHeaders: readonly string[],
  ) {
    this.#consumers = consumers;
    this.consumerIndex = consumerIndex;
    this.keyHeaders = keyHeaders;
  }

  get consumerName(): string {
    return this.#consumers[this.consumerIndex]!.name;
  }
}

/** By the sum of their bits. */
const HEADER_SETS: readonly (readonly string[])[] = Array.from(
  { length: 1 << KEY_HEADERS.length },
  (_, mask) => Object.freeze(KEY_HEADERS.filter((_name, bit) => (mask & (1 << bit)) !== 0)),
);

const AUTHORIZATION = 1;

/** The bit of one of KEY_HEADERS, in their order; no two of them are of one length. */
function maskOfHeader(name: string): number {
  switch (name.length) {
    case 13:
      return AUTHORIZATION;
    case 9:
      return 2;
    default:
      return 4;
  }
}

const SPACE = 0x20;
const SCHEME = 'Bearer ';

/** The key in a header's value, empty if there is none. Other schemes than Bearer carry no key of ours. */
function readKey(hasScheme: boolean, value: string): string {
  if (!hasScheme) return value.trim();
  const isBearer =
    value.startsWith(SCHEME) ||
    (value.charCodeAt(6) === SPACE && value.slice(0, 6).toLowerCase() === 'bearer');
  return isBearer ? value.slice(SCHEME.length).trim() : '';
}

/** Two more outcomes beside a consumer's place. */
const UNKNOWN = -1;
const NO_KEY = -2;

/**
 * By the header's whole value, with the consumer's place and, in its lowest bit, whether the value begins with a scheme:
 * what is a key after `Bearer` is none with it, and the other way round.
 *
 * In two generations: when one is full, those that are not asked for again go with the one before.
 */
class KnownKeys {
  readonly #indexOfDigest: ReadonlyMap<string, number>;
  #recent = new RememberedKeys();
  #older = new RememberedKeys();

  constructor(indexOfDigest: ReadonlyMap<string, number>) {
    this.#indexOfDigest = indexOfDigest;
  }

  /** The consumer's place, UNKNOWN or NO_KEY. */
  find(hasScheme: boolean, value: string): number {
    const remembered = this.#recent.get(value);
    return remembered >= 0 && (remembered & 1) === Number(hasScheme)
      ? remembered >> 1
      : this.#learn(hasScheme, value, remembered < 0);
  }

  #learn(hasScheme: boolean, value: string, isNew: boolean): number {
    const older = this.#older.get(value);
    if (isNew && older >= 0 && (older & 1) === Number(hasScheme)) {
      this.#remember(value, older);
      return older >> 1;
    }
    const key = readKey(hasScheme, value);
    if (key === '') return NO_KEY;
    const index = findConsumer(this.#indexOfDigest, key);
    // Not with spaces around the key, or who has one could write it in as many ways as there are places.
    const isPlain = value.length === key.length + (hasScheme ? SCHEME.length : 0);
    if (index >= 0 && isNew && isPlain && value.length <= BOUNDS.rememberedKeyBytesMax) {
      this.#remember(value, index * 2 + Number(hasScheme));
    }
    return index;
  }

  #remember(value: string, entry: number): void {
    if (this.#recent.size >= BOUNDS.rememberedKeysMax) {
      this.#older = this.#recent;
      this.#recent = new RememberedKeys();
    }
    this.#recent.add(value, entry);
  }
}

function findConsumer(indexOfDigest: ReadonlyMap<string, number>, key: string): number {
  if (key.length > BOUNDS.keyBytesMax) return UNKNOWN;
  let bytes: string | Buffer = key;
  // The bytes as received are hashed; only for ASCII does the string itself stand for them.
  if (BEYOND_ASCII.test(key)) {
    // A character beyond Latin-1 never came in a header; cut to a byte it would stand for another one.
    if (BEYOND_LATIN1.test(key)) return UNKNOWN;
    bytes = Buffer.from(key, 'latin1');
  }
  return indexOfDigest.get(hash('sha256', bytes, 'hex')) ?? UNKNOWN;
}

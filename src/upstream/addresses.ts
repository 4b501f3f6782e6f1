/**
 * The addresses of one host name, as one worker knows them: looked up once for all who ask at a time, believed for a
 * few seconds, and, while no lookup succeeds, used for longer. Who has a connection learns from its Address that the
 * name has moved on.
 */
import { lookup as lookupInSystem } from 'node:dns';
import { isIP } from 'node:net';
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';

export interface Address {
  /** An IP address. */
  readonly host: string;
  /** The name does not lead here any more: connections to it are not used again. */
  isGone: boolean;
}

export interface FoundAddress {
  readonly address: string;
  readonly family: number;
}

/** Called back once, with an error or with at least one address. */
export type Lookup = (
  host: string,
  callback: (error: Error | null, found: readonly FoundAddress[]) => void,
) => void;

export type AddressUser = (error: Error | null, addresses: readonly Address[]) => void;

/** Whatever the machine's own configuration says, /etc/hosts included, in the order that it prefers. */
export function lookupAddresses(
  host: string,
  callback: (error: Error | null, found: readonly FoundAddress[]) => void,
): void {
  lookupInSystem(host, { all: true, verbatim: true }, (error, found) =>
    callback(error, error === null ? found : []),
  );
}

class KnownAddress implements Address {
  readonly host: string;
  readonly family: number;
  isGone = false;
  /** Answers in a row that it was not in. */
  missed = 0;
  failedMs = Number.NEGATIVE_INFINITY;

  constructor(host: string, family: number) {
    this.host = host;
    this.family = family;
  }
}

export class HostAddresses {
  readonly #host: string;
  readonly #lookup: Lookup;
  readonly #ttlMs: number;
  /** Those of the last answer, in the order in which they are to be tried. */
  #answer: KnownAddress[] = [];
  /** These, and those that were missing from the last answer alone. */
  readonly #known = new Map<string, KnownAddress>();
  #users: AddressUser[] = [];
  #isAsking = false;
  /** The lookup takes long; nobody waits for it who need not. */
  #isSlow = false;
  #isUsed = false;
  #answeredMs = 0;
  #validUntilMs = Number.NEGATIVE_INFINITY;
  #refreshTimer: NodeJS.Timeout | null = null;
  #patienceTimer: NodeJS.Timeout | null = null;
  #isClosed = false;

  /** @param host a name, or an IP address without brackets, which is its own only one for ever. */
  constructor(host: string, lookup: Lookup = lookupAddresses, ttlMs: number = BOUNDS.dnsTtlMs) {
    this.#host = host;
    this.#lookup = lookup;
    this.#ttlMs = ttlMs;
    const family = isIP(host);
    if (family !== 0) {
      this.#answer = [new KnownAddress(host, family)];
      this.#validUntilMs = Number.POSITIVE_INFINITY;
      this.#isUsed = true;
    }
  }

  /** Calls back at once where the addresses are known, later where they must be looked up. */
  get(use: AddressUser): void {
    const atMs = nowMs();
    if (atMs < this.#validUntilMs) {
      this.noteUse();
      use(null, this.#answer);
      return;
    }
    const hasOld = this.#hasOld(atMs);
    if (!hasOld || !this.#isSlow) {
      this.#users.push(use);
    }
    this.#ask();
    if (hasOld && this.#isSlow) {
      use(null, this.#answer);
    } else if (hasOld && this.#isAsking) {
      this.#patienceTimer ??= setTimeout(() => this.#loosePatience(), BOUNDS.dnsPatienceMs).unref();
    }
  }

  /** A connection is in use: as long as that is so, changes are followed. */
  noteUse(): void {
    if (!this.#isUsed) {
      this.#isUsed = true;
      if (this.#refreshTimer === null) {
        this.#ask();
      }
    }
  }

  /** It could not be connected to: the others come first for a while. */
  noteFailed(address: Address): void {
    const known = this.#answer.find((one) => one === address);
    if (known !== undefined) {
      known.failedMs = nowMs();
      this.#answer = [...this.#answer.filter((one) => one !== known), known];
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#users = [];
    clearTimeout(this.#refreshTimer ?? undefined);
    clearTimeout(this.#patienceTimer ?? undefined);
  }

  #hasOld(atMs: number): boolean {
    return this.#answer.length > 0 && atMs - this.#answeredMs < BOUNDS.dnsStaleMs;
  }

  #ask(): void {
    if (this.#isAsking || this.#isClosed) {
      return;
    }
    this.#isAsking = true;
    let isAnswered = false;
    this.#lookup(this.#host, (error, found) => {
      if (!isAnswered && !this.#isClosed) {
        isAnswered = true;
        this.#onAnswer(error, found);
      }
    });
  }

  #loosePatience(): void {
    this.#patienceTimer = null;
    if (this.#isAsking) {
      this.#isSlow = true;
      this.#serve(null);
    }
  }

  #onAnswer(error: Error | null, found: readonly FoundAddress[]): void {
    const atMs = nowMs();
    this.#isAsking = false;
    this.#isSlow = false;
    clearTimeout(this.#patienceTimer ?? undefined);
    this.#patienceTimer = null;
    if (error === null && found.length > 0) {
      this.#take(found, atMs);
      this.#answeredMs = atMs;
      this.#validUntilMs = atMs + this.#ttlMs;
      this.#refreshLater(this.#ttlMs);
      this.#serve(null);
    } else if (this.#hasOld(atMs)) {
      this.#validUntilMs = atMs + BOUNDS.dnsRetryMs;
      this.#refreshLater(BOUNDS.dnsRetryMs);
      this.#serve(null);
    } else {
      this.#answer = [];
      this.#serve(error ?? new NoAddress());
    }
  }

  #refreshLater(ms: number): void {
    clearTimeout(this.#refreshTimer ?? undefined);
    this.#isUsed = false;
    this.#refreshTimer = setTimeout(() => {
      this.#refreshTimer = null;
      if (this.#isUsed) {
        this.#ask();
      }
    }, ms).unref();
  }

  #serve(error: Error | null): void {
    const users = this.#users;
    this.#users = [];
    if (users.length > 0 && error === null) {
      this.#isUsed = true;
    }
    for (const use of users) {
      use(error, this.#answer);
    }
  }

  #take(found: readonly FoundAddress[], atMs: number): void {
    const answer: KnownAddress[] = [];
    for (const { address, family } of found.slice(0, BOUNDS.dnsAddressesMax)) {
      const known = this.#known.get(address) ?? new KnownAddress(address, family);
      this.#known.set(address, known);
      if (!answer.includes(known)) {
        answer.push(known);
      }
    }
    for (const known of this.#known.values()) {
      known.missed = answer.includes(known) ? 0 : known.missed + 1;
      if (known.missed >= BOUNDS.dnsMissedMax) {
        known.isGone = true;
        this.#known.delete(known.host);
      }
    }
    const isWell = (one: KnownAddress): boolean => atMs - one.failedMs >= BOUNDS.addressFailedMs;
    const mixed = mixFamilies(answer);
    this.#answer = [...mixed.filter(isWell), ...mixed.filter((one) => !isWell(one))];
  }
}

/** Turn about, beginning with the family of the first (RFC 8305, section 4). */
function mixFamilies(addresses: readonly KnownAddress[]): KnownAddress[] {
  const family = addresses[0]?.family;
  const first = addresses.filter((one) => one.family === family);
  const second = addresses.filter((one) => one.family !== family);
  const mixed: KnownAddress[] = [];
  for (let at = 0; at < Math.max(first.length, second.length); at += 1) {
    mixed.push(...first.slice(at, at + 1), ...second.slice(at, at + 1));
  }
  return mixed;
}

class NoAddress extends Error {
  readonly code = 'ENOTFOUND';

  constructor() {
    super('the name has no address');
    this.name = 'NoAddress';
  }
}

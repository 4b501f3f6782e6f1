/**
 * Rows for consumers that are unknown until they call: an address, an end user. A fixed number of slots; a key's
 * slot is looked for in the few that follow its hash, in order (`position`). Every slot has one word of 64 bits,
 *
 *   hash 31 bits │ hash 12 bits │ version 18 bits │ state 2 bits
 *
 * that changes by compare-and-swap alone, each time with the next version, so that an old view never wins:
 *
 *   free ──▶ claimed ──▶ live ──▶ locked ──▶ claimed (another key's)
 *     ▲         │          ▲         │
 *     └─────────┘          └─────────┘
 *
 * One key, one live slot. Whoever finds no slot for a key claims one and then looks at the whole window again, from
 * a moment when the claim could be seen. Of two claims the one in front stays and the other is taken away; a claim
 * is made live only after a look that began when it stood, saw no other and no live slot. So of two who claim at
 * once one must see the other. Anybody may take these steps for a claim, so a thread that dies or sleeps in
 * between holds up nobody.
 *
 * No slot is taken from its key while it matters. A thread pins a slot in its own column before it looks at the
 * word for the last time; who wants to evict locks the word before it looks at the pins. One of them sees the
 * other: pinned means no eviction, and a locked slot whose key calls is unlocked by the caller, which the evictor
 * notices because its swap fails. Only slots are evicted whose buckets are all full, so there is nothing to reset.
 */
import { BOUNDS } from '../core/bounds.js';
import { KeyHash } from './key-hash.js';
import { HEADER, HEADER_WORD } from './layout.js';
import type { Memory } from './memory.js';
import type { DynamicPlan } from './plan.js';
import { KIND } from './rates.js';
import type { LimitTable } from './table.js';
import { addToTotal, readTotal } from './totals.js';

const STATE = { free: 0, claimed: 1, live: 2, locked: 3 } as const;
const STATE_MASK = 3;
const VERSION_MASK = 0x000ffffc;
const VERSION_STEP = 4;
const HASH_MASK = 0xfff00000;

/** Each round ends, or some thread got on; this many rounds without an end have never been seen. */
const ROUNDS_MAX = 1000;

const words = new Uint32Array(2);
const cells = new BigInt64Array(words.buffer);

export class DynamicSlots {
  readonly #table: LimitTable;
  readonly #memory: Memory;
  readonly #dynamic: DynamicPlan;
  readonly #window: number;
  readonly #ownPins: number;
  readonly #hash: KeyHash;

  /** Of the key that is looked for: the slot it begins at, and its part of a word. */
  #home = 0;
  #keyHigh = 0;
  #keyLow = 0;

  /** What the last look at the window found; -1: nothing. */
  #live = -1;
  #claimed = -1;
  #claimedWord = 0n;
  #free = -1;
  #freeWord = 0n;
  #hasRival = false;
  #victimWord = 0n;

  /** @throws RangeError where the plan has no dynamic consumers. */
  constructor(table: LimitTable) {
    const { plan, memory, layout, workerIndex } = table;
    if (plan.dynamic === null) throw new RangeError('the plan has no dynamic consumers');
    this.#table = table;
    this.#memory = memory;
    this.#dynamic = plan.dynamic;
    this.#window = Math.min(BOUNDS.limitSlotWindow, plan.dynamic.slots);
    this.#ownPins = layout.pinWords + Math.max(0, workerIndex) * layout.pinStride;
    this.#hash = new KeyHash(
      memory.peek32(HEADER_WORD.seedLow),
      memory.peek32(HEADER_WORD.seedHigh),
    );
  }

  /** How often somebody was refused because every slot was in use; of all workers. */
  get refusedCount(): number {
    return readTotal(this.#memory, HEADER.tableFull);
  }

  /**
   * Finds or makes the key's slot and keeps it from being evicted until `unpin`.
   * @param ageMs now, by LimitTable.ageAt.
   * @returns the slot, or -1 where none can be had; counted.
   */
  pin(key: string, ageMs: number): number {
    this.#hash.hash(key);
    return this.pinHash(this.#hash.low, this.#hash.high, ageMs);
  }

  /** The same by the key's hash, two unsigned numbers of 32 bits. */
  pinHash(low: number, high: number, ageMs: number): number {
    this.#home = Math.floor((low / 4294967296) * this.#dynamic.slots);
    this.#keyHigh = high >>> 1;
    this.#keyLow = (low << 20) >>> 0;
    const known = this.#findLive();
    if (known >= 0 && this.#pinLive(known)) {
      this.#memory.storeFloat(this.#table.layout.slotUsed + known, ageMs);
      return known;
    }
    let seenSlot = -1;
    let seenWord = 0n;
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      this.#look();
      if (this.#live >= 0) {
        if (this.#claimed >= 0) this.#dropClaim(this.#claimed, this.#claimedWord);
        if (this.#pinLive(this.#live)) {
          this.#memory.storeFloat(this.#table.layout.slotUsed + this.#live, ageMs);
          return this.#live;
        }
        continue;
      }
      if (this.#claimed >= 0) {
        const isKnown = this.#claimed === seenSlot && this.#claimedWord === seenWord;
        if (isKnown && !this.#hasRival && this.#makeLive(seenSlot, seenWord)) {
          this.#memory.storeFloat(this.#table.layout.slotUsed + seenSlot, ageMs);
          return seenSlot;
        }
        seenSlot = this.#claimed;
        seenWord = this.#claimedWord;
        continue;
      }
      if (this.#free >= 0) {
        const word = this.#makeClaim(this.#freeWord);
        this.#memory.storeFloat(this.#table.layout.slotUsed + this.#free, ageMs);
        if (this.#swap(this.#free, this.#freeWord, word)) {
          seenSlot = this.#free;
          seenWord = word;
        }
        continue;
      }
      const victim = this.#findVictim(ageMs);
      if (victim < 0) break;
      const word = this.#evict(victim, this.#victimWord, ageMs);
      if (word !== 0n) {
        seenSlot = victim;
        seenWord = word;
      }
    }
    addToTotal(this.#memory, HEADER.tableFull, 1);
    return -1;
  }

  unpin(slot: number): void {
    const word = this.#ownPins + slot;
    this.#memory.store32(word, this.#memory.peek32(word) - 1);
  }

  /** A slot that seems to be the key's, by a look without any order: who pins it looks again. -1: none is seen. */
  #findLive(): number {
    for (let position = 0; position < this.#window; position += 1) {
      const slot = this.#slotAt(position);
      cells[0] = this.#memory.peek64(this.#table.layout.slotWords + slot);
      const low = words[0]!;
      if (words[1] !== this.#keyHigh || (low & HASH_MASK) >>> 0 !== this.#keyLow) continue;
      if ((low & STATE_MASK) >= STATE.live) return slot;
    }
    return -1;
  }

  /** One look over the window, from its beginning. Takes away claims that stand behind another. */
  #look(): void {
    this.#live = -1;
    this.#claimed = -1;
    this.#free = -1;
    this.#hasRival = false;
    for (let position = 0; position < this.#window; position += 1) {
      const slot = this.#slotAt(position);
      const word = this.#loadWord(slot);
      cells[0] = word;
      const low = words[0]!;
      const state = low & STATE_MASK;
      if (state === STATE.free) {
        if (this.#free < 0) {
          this.#free = slot;
          this.#freeWord = word;
        }
      } else if (words[1] === this.#keyHigh && (low & HASH_MASK) >>> 0 === this.#keyLow) {
        if (state !== STATE.claimed) {
          if (this.#live < 0) this.#live = slot;
        } else if (this.#claimed < 0) {
          this.#claimed = slot;
          this.#claimedWord = word;
        } else {
          this.#hasRival = true;
          this.#dropClaim(slot, word);
        }
      }
    }
  }

  /** Pins before the slot is live, or another could evict it in between and two could do so in turns for ever. */
  #makeLive(slot: number, word: bigint): boolean {
    const pin = this.#ownPins + slot;
    this.#memory.store32(pin, this.#memory.peek32(pin) + 1);
    if (this.#swap(slot, word, nextWord(word, STATE.live))) return true;
    this.unpin(slot);
    return false;
  }

  /** Returns false where the slot went to another key in the meantime. */
  #pinLive(slot: number): boolean {
    const pin = this.#ownPins + slot;
    this.#memory.store32(pin, this.#memory.peek32(pin) + 1);
    for (;;) {
      const word = this.#loadWord(slot);
      cells[0] = word;
      const low = words[0]!;
      const state = low & STATE_MASK;
      const isOurs = words[1] === this.#keyHigh && (low & HASH_MASK) >>> 0 === this.#keyLow;
      if (isOurs && state === STATE.live) return true;
      if (isOurs && state === STATE.locked) {
        if (this.#swap(slot, word, nextWord(word, STATE.live))) return true;
        continue;
      }
      this.unpin(slot);
      return false;
    }
  }

  /**
   * The slot that was used longest ago, of those that nobody would miss; -1: there is none. What another thread has
   * just claimed or locked is left to it, or two could take it from each other for ever.
   */
  #findVictim(ageMs: number): number {
    let victim = -1;
    let oldestMs = Number.POSITIVE_INFINITY;
    for (let position = 0; position < this.#window; position += 1) {
      const slot = this.#slotAt(position);
      const word = this.#loadWord(slot);
      cells[0] = word;
      const isLive = (words[0]! & STATE_MASK) === STATE.live;
      const usedMs = this.#memory.loadFloat(this.#table.layout.slotUsed + slot);
      if (!isLive && ageMs - usedMs < BOUNDS.limitClaimMs) continue;
      if (usedMs >= oldestMs || !this.#isIdle(slot, ageMs)) continue;
      victim = slot;
      this.#victimWord = word;
      oldestMs = usedMs;
    }
    return victim;
  }

  /** Takes the slot from its key; returns the word of the claim, or 0n where that failed. */
  #evict(slot: number, word: bigint, ageMs: number): bigint {
    cells[0] = word;
    const state = words[0]! & STATE_MASK;
    // A claim that somebody left; nobody has pinned it, for it was never live.
    if (state === STATE.claimed) this.#dropClaim(slot, word);
    if (state === STATE.claimed || state === STATE.free) return 0n;
    const locked = nextWord(word, STATE.locked);
    if (!this.#swap(slot, word, locked)) return 0n;
    this.#memory.storeFloat(this.#table.layout.slotUsed + slot, ageMs);
    if (!this.#isIdle(slot, ageMs)) {
      this.#swap(slot, locked, nextWord(locked, STATE.live));
      return 0n;
    }
    const claim = this.#makeClaim(locked);
    return this.#swap(slot, locked, claim) ? claim : 0n;
  }

  /** Pins before buckets: who has pinned may still take, who is gone has taken already. */
  #isIdle(slot: number, ageMs: number): boolean {
    const { layout, plan, buckets } = this.#table;
    for (let worker = 0; worker < plan.workers; worker += 1) {
      if (this.#memory.load32(layout.pinWords + worker * layout.pinStride + slot) !== 0) {
        return false;
      }
    }
    const { limits, firstRow } = this.#dynamic;
    for (let index = 0; index < limits.length; index += 1) {
      const isCount = limits[index]!.kind === KIND.concurrency;
      if (!buckets.isFull(firstRow + slot * limits.length + index, isCount, ageMs)) return false;
    }
    return true;
  }

  #slotAt(position: number): number {
    const slot = this.#home + position;
    return slot < this.#dynamic.slots ? slot : slot - this.#dynamic.slots;
  }

  #loadWord(slot: number): bigint {
    return this.#memory.load64(this.#table.layout.slotWords + slot);
  }

  #swap(slot: number, expected: bigint, next: bigint): boolean {
    return this.#memory.swap64(this.#table.layout.slotWords + slot, expected, next);
  }

  #dropClaim(slot: number, word: bigint): void {
    cells[0] = word;
    words[1] = 0;
    words[0] = (nextVersion(words[0]!) | STATE.free) >>> 0;
    this.#swap(slot, word, cells[0]);
  }

  #makeClaim(word: bigint): bigint {
    cells[0] = word;
    words[1] = this.#keyHigh;
    words[0] = (this.#keyLow | nextVersion(words[0]!) | STATE.claimed) >>> 0;
    return cells[0];
  }
}

function nextVersion(low: number): number {
  return (low + VERSION_STEP) & VERSION_MASK;
}

/** The same key in another state. */
function nextWord(word: bigint, state: number): bigint {
  cells[0] = word;
  words[0] = ((words[0]! & HASH_MASK) | nextVersion(words[0]!) | state) >>> 0;
  return cells[0];
}

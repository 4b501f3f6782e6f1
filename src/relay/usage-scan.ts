/**
 * Reads a usage object of OpenAI's chat API where it lies in an answer, without making text or objects of it, which
 * would cost several times as much:
 *
 *   {"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,"prompt_tokens_details":{"cached_tokens":0}, …}
 *
 * Whatever else there is, be it a name that is not known here, a null, a fraction or an escape, it gives up and says so;
 * then the object has to be parsed. It gives up as well where it can't be certain to read what a parser would.
 */
import { skipJsonSpace } from '../core/json-bytes.js';
import { USAGE_TOKENS_MAX } from '../core/usage.js';

/** Places in what a scan fills; -1 there: not said. */
export const SCANNED = {
  input: 0,
  output: 1,
  total: 2,
  cached: 3,
  reasoning: 4,
  audioInput: 5,
  audioOutput: 6,
} as const;
/** The place of figures that nobody asks for. */
const NOWHERE = 7;
const PLACES = 8;
const UNSAID = -1;

/** What a member is: a figure with its place, or an object of figures. */
interface Member {
  readonly name: Buffer;
  readonly place: number;
  readonly details: readonly Member[] | null;
}

const QUOTE = 0x22;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const ZERO = 0x30;
const NINE = 0x39;
/** Enough for any figure that counts, and exact. */
const DIGITS_MAX = 13;

function figure(name: string, place: number): Member {
  return { name: Buffer.from(name), place, details: null };
}

function object(name: string, details: readonly Member[]): Member {
  return { name: Buffer.from(name), place: NOWHERE, details };
}

/** Fewer than 32: which of them were there is remembered in bits. All figures together are FIGURES_MAX. */
const MEMBERS = [
  figure('prompt_tokens', SCANNED.input),
  figure('completion_tokens', SCANNED.output),
  figure('total_tokens', SCANNED.total),
  object('prompt_tokens_details', [
    figure('cached_tokens', SCANNED.cached),
    figure('audio_tokens', SCANNED.audioInput),
  ]),
  object('completion_tokens_details', [
    figure('reasoning_tokens', SCANNED.reasoning),
    figure('audio_tokens', SCANNED.audioOutput),
    figure('accepted_prediction_tokens', NOWHERE),
    figure('rejected_prediction_tokens', NOWHERE),
  ]),
];

export const FIGURES_MAX = 9;

/** What a scan found. */
export class ScannedUsage {
  /** By place. */
  readonly values = new Float64Array(PLACES).fill(UNSAID);
  /** In the order in which they stood; 0 where the scan gave up. */
  count = 0;
  readonly places = new Int8Array(FIGURES_MAX);
  readonly starts = new Int32Array(FIGURES_MAX);
  readonly ends = new Int32Array(FIGURES_MAX);

  forget(): void {
    this.count = 0;
    for (let place = 0; place < PLACES; place += 1) this.values[place] = UNSAID;
  }

  /** Reads the figure that begins at `from`. @returns where it ends; -1 where it is none that can be relied on. */
  read(bytes: Buffer, from: number, end: number, place: number): number {
    let at = from;
    let value = 0;
    while (at < end && isDigit(bytes[at])) {
      value = value * 10 + (bytes[at] as number) - ZERO;
      at += 1;
    }
    if (!isFigure(value, at - from, bytes[from])) return -1;
    this.values[place] = value;
    this.places[this.count] = place;
    this.starts[this.count] = from;
    this.ends[this.count] = at;
    this.count += 1;
    return at;
  }

  /** Reads the one that ends before `end`, and begins behind `first`. @returns where it begins; -1 as above. */
  readBackwards(view: DataView, first: number, end: number, place: number): number {
    let at = end;
    let value = 0;
    let scale = 1;
    let digit = 0;
    while (at > first && end - at <= DIGITS_MAX) {
      const byte = view.getUint8(at - 1);
      if (byte < ZERO || byte > NINE) break;
      digit = byte;
      at -= 1;
      value += scale * (byte - ZERO);
      scale *= 10;
    }
    if (!isFigure(value, end - at, digit)) return -1;
    this.values[place] = value;
    return at;
  }
}

function isFigure(value: number, digits: number, first: number | undefined): boolean {
  if (digits === 0 || digits > DIGITS_MAX || value > USAGE_TOKENS_MAX) return false;
  return digits === 1 || first !== ZERO;
}

/**
 * @param start of the opening brace.
 * @param end of what may be read.
 * @returns the offset after the closing brace; -1 where the object has to be parsed, and then `into` means nothing.
 */
export function scanUsage(bytes: Buffer, start: number, end: number, into: ScannedUsage): number {
  into.forget();
  const after = end <= bytes.length ? scanObject(bytes, start, end, MEMBERS, into) : -1;
  if (after < 0) into.count = 0;
  return after;
}

/** The offset after the closing brace; -1 for giving up. */
function scanObject(
  bytes: Buffer,
  start: number,
  end: number,
  members: readonly Member[],
  into: ScannedUsage,
): number {
  if (bytes[start] !== OPEN_BRACE) return -1;
  let seen = 0;
  let expected = 0;
  let at = skipJsonSpace(bytes, start + 1, end);
  while (bytes[at] === QUOTE) {
    // They mostly come in one order.
    const isExpected = expected < members.length && isNamed(bytes, at + 1, end, members[expected]!);
    const index = isExpected ? expected : findMember(bytes, at + 1, end, members);
    if (index < 0 || ((seen >> index) & 1) === 1) return -1;
    seen |= 1 << index;
    expected = index + 1;
    const { name, place, details } = members[index]!;
    at = skipJsonSpace(bytes, at + name.length + 2, end);
    if (bytes[at] !== COLON) return -1;
    at = skipJsonSpace(bytes, at + 1, end);
    if (details !== null) {
      at = scanObject(bytes, at, end, details, into);
      if (at < 0) return -1;
    } else {
      at = into.read(bytes, at, end, place);
      if (at < 0) return -1;
    }
    at = skipJsonSpace(bytes, at, end);
    if (bytes[at] === CLOSE_BRACE) return at < end ? at + 1 : -1;
    if (bytes[at] !== COMMA) return -1;
    at = skipJsonSpace(bytes, at + 1, end);
  }
  return -1;
}

/** The place of the name that begins at `from` and ends with a quote; -1 where it is none of them. */
function findMember(bytes: Buffer, from: number, end: number, members: readonly Member[]): number {
  for (let index = 0; index < members.length; index += 1) {
    if (isNamed(bytes, from, end, members[index]!)) return index;
  }
  return -1;
}

function isNamed(bytes: Buffer, from: number, end: number, { name }: Member): boolean {
  const stop = from + name.length;
  if (stop >= end || bytes[stop] !== QUOTE) return false;
  for (let i = 0; i < name.length; i += 1) {
    if (bytes[from + i] !== name[i]) return false;
  }
  return true;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}

/**
 * The text of every answer: the same few sentences over and over, one word a token. An answer of n tokens is
 * a prefix of it, so that the same request gets the same bytes and nothing need be built for a long one.
 */
import { EVENT_CYCLES_MAX } from './bounds.js';

/** Nothing here needs escaping in JSON. */
const TEXT =
  'A weir is a low wall across a river. The water gathers behind it, finds its level, and runs over ' +
  'the crest in one even sheet. Nobody downstream hears how wild the flood was; they only see that the ' +
  'mill turns. Where the stream is measured it can be shared, and where it is shared no field goes dry. ' +
  'That is all a weir does, day and night.';

export const WORDS: readonly string[] = TEXT.split(' ');

/** WORD_ENDS[n] is the length of the first n words, each with a space before it. */
const WORD_ENDS: readonly number[] = measureWords();
const CYCLE_BYTES = WORD_ENDS[WORDS.length] as number;

/** The text repeated to about 64 KB, because long texts are sent from it block by block. */
export const TEXT_BLOCK: Buffer = Buffer.from(`${TEXT} `.repeat(Math.ceil(65_536 / CYCLE_BYTES)));

function measureWords(): number[] {
  const ends = [0];
  for (const word of WORDS) {
    ends.push((ends.at(-1) as number) + 1 + word.length);
  }
  return ends;
}

/** @returns the length of a text of n words. */
export function measureText(words: number): number {
  if (words === 0) {
    return 0;
  }
  const cycles = Math.floor(words / WORDS.length);
  return cycles * CYCLE_BYTES + (WORD_ENDS[words % WORDS.length] as number) - 1;
}

/** The events of a stream: the first, whose word has no space before it, and then the cycle over and over. */
export interface EventCycle {
  readonly first: Buffer;
  readonly bytes: Buffer;
  /** Event i of the cycle is bytes[offsets[i], offsets[i + 1]). */
  readonly offsets: readonly number[];
}

const cycles = new Map<string, EventCycle>();

/** @param before the event up to its text, @param after from there on; latin1, so that bytes stay as they are. */
export function getEventCycle(before: string, after: string): EventCycle {
  const key = `${before}\n${after}`;
  const known = cycles.get(key);
  if (known !== undefined) {
    return known;
  }
  const events = WORDS.map((word) => `${before} ${word}${after}`);
  const offsets = [0];
  for (const event of events) {
    offsets.push((offsets.at(-1) as number) + event.length);
  }
  const cycle: EventCycle = {
    first: Buffer.from(`${before}${WORDS[0]}${after}`, 'latin1'),
    bytes: Buffer.from(events.join(''), 'latin1'),
    offsets,
  };
  if (cycles.size >= EVENT_CYCLES_MAX) {
    for (const oldest of cycles.keys()) {
      cycles.delete(oldest);
      break;
    }
  }
  cycles.set(key, cycle);
  return cycle;
}

/** Events `from` (inclusive) to `to` in one piece of memory; may give fewer, up to the end of the cycle. */
export function sliceEvents(
  cycle: EventCycle,
  from: number,
  to: number,
): { piece: Buffer; end: number } {
  if (from === 0) {
    return { piece: cycle.first, end: 1 };
  }
  const start = from % WORDS.length;
  const count = Math.min(to - from, WORDS.length - start);
  return {
    piece: cycle.bytes.subarray(cycle.offsets[start], cycle.offsets[start + count]),
    end: from + count,
  };
}

/** The length of the events `0` to `count` without building them. */
export function measureEvents(cycle: EventCycle, count: number): number {
  if (count === 0) {
    return 0;
  }
  const whole = Math.floor(count / WORDS.length) * cycle.bytes.length;
  return whole + (cycle.offsets[count % WORDS.length] as number) - 1;
}

/**
 * How much of an event stream is text that a model made, measured in its first events and in one of 32 after them. Asked
 * for only where a stream ends before its provider has said what it used, or where a limit is watched while it runs. So
 * events that are measured and hold no usage are kept as they came (8 KB of them at most), and read when somebody asks;
 * of most streams they never are.
 */
import { BOUNDS } from '../core/bounds.js';
import { UsageFigures } from './json-usage.js';
import { JsonWalk } from './json-walk.js';
import { SseLines } from './sse-lines.js';

/** The first events of a stream are unlike the others (roles, openings of blocks) and are all measured. */
const HEAD_EVENTS = 16;
/** After them one in so many is; a power of two. */
const SAMPLED_EACH = 32;

/** A stream that has only begun keeps no more than that. */
const FEW_BYTES = 1024;
const NONE = Buffer.alloc(0);
/** Of streams that are over, for the next ones. */
const unused: Buffer[] = [];

const LINE_FEED = 0x0a;
const DATA_FIELD = Buffer.from('data:');
const EVENT_FIELD = Buffer.from('event:');

/** What was kept is whole events, read at once, so that one reader does for all streams. They say nothing of usage. */
const keptWalk = new JsonWalk(new UsageFigures());
const keptLines = new SseLines(keptWalk);

export class TextSample {
  /** Events that have ended; `[DONE]` is one, and some of the comments are. */
  eventCount = 0;
  #headTextEvents = 0;
  #headTextBytes = 0;
  #tailReadEvents = 0;
  #tailTextEvents = 0;
  #tailTextBytes = 0;
  #kept: Buffer = NONE;
  #keptBytes = 0;
  /** Of the kept events those of the head, which are the first. */
  #keptHeadEvents = 0;

  /** The next event should be measured. */
  isDue(): boolean {
    const count = this.eventCount;
    return count < HEAD_EVENTS || ((count - HEAD_EVENTS) & (SAMPLED_EACH - 1)) === 0;
  }

  /** An event with data has been read, due or not. */
  count(textBytes: number): void {
    // Others are read for their usage, and are not like those that are not read.
    if (this.isDue()) this.#measure(textBytes, this.eventCount < HEAD_EVENTS);
    this.eventCount += 1;
  }

  /** Whether an event that is whole can be kept: it has data, as a provider writes it. */
  canKeep(bytes: Buffer, from: number, end: number): boolean {
    if (end - from > BOUNDS.unreadEventBytesMax) return false;
    let at = from;
    if (startsWith(bytes, at, EVENT_FIELD)) at = bytes.indexOf(LINE_FEED, at) + 1;
    return startsWith(bytes, at, DATA_FIELD) && bytes[at + DATA_FIELD.length] !== LINE_FEED;
  }

  /** Takes an event that is due and `canKeep` has let through; its lines end with LF. */
  keep(bytes: Buffer, from: number, end: number): void {
    this.#makeRoom(end - from);
    bytes.copy(this.#kept, this.#keptBytes, from, end);
    this.#keptBytes += end - from;
    if (this.eventCount < HEAD_EVENTS) this.#keptHeadEvents += 1;
    this.eventCount += 1;
  }

  /** Events that brought text of the model, of all that have ended, as far as those that were measured tell. */
  get textEventCount(): number {
    this.#readKept();
    if (this.#tailReadEvents === 0) return this.#headTextEvents;
    const share = this.#tailTextEvents / this.#tailReadEvents;
    return this.#headTextEvents + Math.round((this.eventCount - HEAD_EVENTS) * share);
  }

  /** Bytes of the model's text, as it is written in JSON; by the same measure. */
  get textBytes(): number {
    this.#readKept();
    if (this.#tailReadEvents === 0) return this.#headTextBytes;
    const mean = this.#tailTextBytes / this.#tailReadEvents;
    return this.#headTextBytes + Math.round((this.eventCount - HEAD_EVENTS) * mean);
  }

  /** Nobody will ask again. */
  release(): void {
    const kept = this.#kept;
    this.#kept = NONE;
    this.#keptBytes = 0;
    this.#keptHeadEvents = 0;
    if (kept.length > FEW_BYTES && unused.length < BOUNDS.unreadEventBuffersMax) unused.push(kept);
  }

  #measure(textBytes: number, isOfHead: boolean): void {
    const isText = textBytes > 0 ? 1 : 0;
    if (isOfHead) {
      this.#headTextEvents += isText;
      this.#headTextBytes += textBytes;
    } else {
      this.#tailReadEvents += 1;
      this.#tailTextEvents += isText;
      this.#tailTextBytes += textBytes;
    }
  }

  #makeRoom(bytes: number): void {
    const wanted = this.#keptBytes + bytes;
    if (wanted <= this.#kept.length) return;
    if (wanted > BOUNDS.unreadEventBytesMax) this.#readKept();
    if (this.#keptBytes + bytes <= this.#kept.length) return;
    const isFew = wanted <= FEW_BYTES;
    const larger = isFew
      ? Buffer.allocUnsafe(FEW_BYTES)
      : (unused.pop() ?? Buffer.allocUnsafeSlow(BOUNDS.unreadEventBytesMax));
    this.#kept.copy(larger, 0, 0, this.#keptBytes);
    this.#kept = larger;
  }

  #readKept(): void {
    if (this.#keptBytes === 0) return;
    const bytes = this.#kept.subarray(0, this.#keptBytes);
    let at = keptLines.begin(bytes);
    while (at < bytes.length) {
      at = keptLines.read(bytes, at);
      const textBytes = keptLines.takeHasData() ? keptWalk.textBytes : 0;
      this.#measure(textBytes, this.#keptHeadEvents > 0);
      if (this.#keptHeadEvents > 0) this.#keptHeadEvents -= 1;
    }
    this.#keptBytes = 0;
  }
}

function startsWith(bytes: Buffer, from: number, field: Buffer): boolean {
  for (let i = 0; i < field.length; i += 1) {
    if (bytes[from + i] !== field[i]) return false;
  }
  return true;
}

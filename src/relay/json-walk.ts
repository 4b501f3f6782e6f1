/**
 * Walks over a JSON document that comes in pieces, however it is split, and holds nothing of it but the usage object it
 * looks for. It is no validator; what it must never do is take a `usage` in a tool's arguments, in metadata or in text
 * for the provider's own. So it follows strings and brackets byte by byte, and believes in these places alone, from the
 * top of the document or from the top of each element of an array:
 *
 *   usage  usageMetadata  response.usage  response.usageMetadata  message.usage  x_groq.usage  interaction.usage
 *
 * Names written with escapes (`"us\u0061ge"`) are other names to it; no provider writes them so.
 */

import { BOUNDS } from '../core/bounds.js';
import { isJsonSpace } from '../core/json-bytes.js';
import {
  isTextHolder,
  isTextName,
  isUsageHolder,
  isUsageName,
  matchName,
  NAME,
  NAME_BYTES_MAX,
} from './json-names.js';
import type { UsageFigures } from './json-usage.js';

/** What stands under the name `usage`, or `choices`, at the top of a document. */
export type Found = 'nothing' | 'null' | 'object' | 'empty-array' | 'full-array' | 'several';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
/** Below that many bytes a look at each costs less than a native search. */
const SHORT_STRING_BYTES = 16;

/** Classes of bytes outside of strings. */
const PLAIN = 0;
const QUOTED = 1;
const COLON = 2;
const COMMA = 3;
const OPENING = 4;
const CLOSING = 5;
const CLASS = new Uint8Array(256);
CLASS[QUOTE] = QUOTED;
CLASS[0x3a] = COLON;
CLASS[0x2c] = COMMA;
CLASS[OPEN_BRACE] = OPENING;
CLASS[OPEN_BRACKET] = OPENING;
CLASS[0x7d] = CLOSING;
CLASS[0x5d] = CLOSING;

const NULL_BYTES = Buffer.from('null');

const NOTHING = new Uint8Array(0);

export class JsonWalk {
  /** What the documents' usage objects said. */
  readonly figures: UsageFigures;
  /** Bytes of text that a model made, as far as this document holds any. */
  textBytes = 0;

  /** The rest is of use only for a document that lay in one buffer as a whole; offsets are in that buffer. */
  usage: Found = 'nothing';
  choices: Found = 'nothing';
  /** The member `"usage":null` and one comma beside it: what to cut out. */
  cutStart = -1;
  cutEnd = -1;
  isComplete = false;

  #depth = 0;
  /** 1 where the document is an array, whose elements are documents. */
  #rootDepth = 0;
  #isInString = false;
  #isEscaped = false;
  /** The string is what stands behind a colon. */
  #isValue = false;
  /** The beginning of a string that is split: a name may be in it. */
  #nameBytes: Uint8Array | null = null;
  #nameLength = 0;
  /** The last string's, and that of the value that comes. */
  #lastName: number = NAME.OTHER;
  #name: number = NAME.OTHER;
  #topName: number = NAME.OTHER;
  #stringStart = -1;
  #nameStart = -1;
  #commaAt = -1;
  #valueFrom = -1;
  #isCutOpen = false;
  #choicesFrom = -1;
  /** The depth inside of the usage object that is gathered; 0 for none. */
  #gatherDepth = 0;
  #gatherFrom = 0;
  #gathered: Buffer | null = null;

  constructor(figures: UsageFigures) {
    this.figures = figures;
  }

  /** Makes ready for the next document; the figures stay. */
  reset(): void {
    this.textBytes = 0;
    this.usage = 'nothing';
    this.choices = 'nothing';
    this.cutStart = -1;
    this.cutEnd = -1;
    this.isComplete = false;
    this.#depth = 0;
    this.#rootDepth = 0;
    this.#isInString = false;
    this.#isEscaped = false;
    this.#isValue = false;
    this.#lastName = NAME.OTHER;
    this.#name = NAME.OTHER;
    this.#topName = NAME.OTHER;
    this.#commaAt = -1;
    this.#isCutOpen = false;
    this.#gatherDepth = 0;
    this.#gathered = null;
  }

  /** Takes the next bytes of the document. */
  walk(bytes: Buffer, from: number, end: number): void {
    let at = from;
    this.#gatherFrom = from;
    if (this.#isInString) {
      at = this.#endString(bytes, at, at, end);
    }
    if (this.isComplete) {
      return;
    }
    while (at < end) {
      const byte = bytes[at] as number;
      const byteClass = CLASS[byte] as number;
      at += 1;
      if (byteClass === PLAIN) {
        continue;
      }
      if (byteClass === QUOTED) {
        at = this.#takeString(bytes, at, end);
      } else if (byteClass === COLON) {
        this.#name = this.#lastName;
        this.#isValue = true;
        if (this.#name === NAME.USAGE) {
          this.#nameStart = this.#stringStart;
          this.#valueFrom = at;
        }
      } else if (byteClass === COMMA) {
        this.#endValue(bytes, at - 1);
        if (this.#depth - this.#rootDepth === 1) this.#commaAt = at - 1;
      } else if (byteClass === OPENING) {
        this.#open(byte, at - 1);
      } else {
        this.#endValue(bytes, at - 1);
        this.#close(bytes, at);
        if (this.isComplete) break;
      }
    }
    if (this.#gatherDepth > 0) {
      this.#gather(bytes, end);
    }
  }

  #takeString(bytes: Buffer, start: number, end: number): number {
    if (this.#isCutOpen) {
      this.cutEnd = start - 1;
      this.#isCutOpen = false;
    }
    this.#stringStart = start - 1;
    // Nearly all strings are short, plain and here as a whole.
    const stepEnd = Math.min(start + SHORT_STRING_BYTES, end);
    for (let at = start; at < stepEnd; at += 1) {
      const byte = bytes[at];
      if (byte === BACKSLASH) break;
      if (byte === QUOTE) {
        if (!this.#isValue) this.#lastName = matchName(bytes, start, at);
        else if (this.#name >= NAME.DELTA && this.#holdsText()) this.textBytes += at - start;
        return at + 1;
      }
    }
    this.#isInString = true;
    this.#nameLength = 0;
    return this.#endString(bytes, start, start, end);
  }

  /** Goes on in a string, of which the bytes from `start` are here; gives what follows it. */
  #endString(bytes: Buffer, start: number, from: number, end: number): number {
    const quoteAt = this.#findQuote(bytes, from, end);
    const stop = quoteAt < 0 ? end : quoteAt;
    if (this.#isValue) {
      if (isTextName(this.#name) && this.#holdsText()) this.textBytes += stop - start;
    } else if (quoteAt >= 0 && this.#nameLength === 0) {
      this.#lastName = matchName(bytes, start, quoteAt);
    } else {
      this.#keepName(bytes, start, stop);
      if (quoteAt >= 0) this.#lastName = matchName(this.#nameBytes ?? NOTHING, 0, this.#nameLength);
    }
    if (quoteAt < 0) return end;
    this.#isInString = false;
    return quoteAt + 1;
  }

  /** The quote that ends the string, or -1; `isEscaped` carries a backslash over to the next bytes. */
  #findQuote(bytes: Buffer, from: number, end: number): number {
    let at = from;
    if (this.#isEscaped && at < end) {
      this.#isEscaped = false;
      at += 1;
    }
    let unread = at;
    while (at < end) {
      const stepEnd = Math.min(at + SHORT_STRING_BYTES, end);
      while (at < stepEnd && bytes[at] !== QUOTE) at += 1;
      if (at === stepEnd && at < end) {
        at = bytes.indexOf(QUOTE, at);
        if (at < 0 || at >= end) at = end;
      }
      let before = at - 1;
      while (before >= unread && bytes[before] === BACKSLASH) before -= 1;
      const isOdd = ((at - before) & 1) === 0;
      if (at === end) {
        this.#isEscaped = isOdd;
        return -1;
      }
      if (!isOdd) return at;
      at += 1;
      unread = at;
    }
    return -1;
  }

  /** Longer than any name that is known is just not one of them. */
  #keepName(bytes: Buffer, start: number, stop: number): void {
    this.#nameBytes ??= new Uint8Array(NAME_BYTES_MAX);
    for (let at = start; at < stop && this.#nameLength < NAME_BYTES_MAX; at += 1) {
      this.#nameBytes[this.#nameLength] = bytes[at] as number;
      this.#nameLength += 1;
    }
  }

  #holdsText(): boolean {
    const level = this.#depth - this.#rootDepth;
    return level === 1 ? this.#name === NAME.DELTA : isTextHolder(this.#topName);
  }

  #open(byte: number, at: number): void {
    const level = this.#depth - this.#rootDepth;
    const name = this.#name;
    this.#depth += 1;
    if (level === 0 && byte === OPEN_BRACKET && this.#depth === 1) {
      this.#rootDepth = 1;
    } else if (byte === OPEN_BRACE && isUsageName(name)) {
      if (
        this.#gatherDepth === 0 &&
        (level === 1 || (level === 2 && isUsageHolder(this.#topName)))
      ) {
        this.#gatherDepth = this.#depth;
        this.#gatherFrom = at;
        this.#gathered = null;
      }
      if (level === 1 && name === NAME.USAGE) this.#note('object');
    }
    if (level === 1) {
      // `"message":[` holds no member of its own, so its elements' names are two levels down and not believed.
      this.#topName = name;
      if (name === NAME.CHOICES) this.#choicesFrom = byte === OPEN_BRACKET ? at + 1 : -1;
    }
    this.#name = NAME.OTHER;
    this.#isValue = false;
  }

  #close(bytes: Buffer, end: number): void {
    if (this.#gatherDepth > 0 && this.#depth === this.#gatherDepth) {
      this.#finishGathering(bytes, end);
    }
    this.#depth -= 1;
    const level = this.#depth - this.#rootDepth;
    if (level === 1 && this.#topName === NAME.CHOICES && this.#choicesFrom >= 0) {
      const isEmpty = isBlank(bytes, this.#choicesFrom, end - 1);
      this.choices =
        this.choices !== 'nothing' ? 'several' : isEmpty ? 'empty-array' : 'full-array';
      this.#choicesFrom = -1;
    }
    if (this.#depth <= 0) this.isComplete = true;
  }

  /** A comma or a closing bracket ends a value. What ends here with a name still known is a scalar. */
  #endValue(bytes: Buffer, at: number): void {
    if (this.#isCutOpen) {
      this.cutEnd = at;
      this.#isCutOpen = false;
    }
    if (this.#name === NAME.USAGE && this.#depth - this.#rootDepth === 1) {
      this.#noteScalar(bytes, at);
    }
    this.#name = NAME.OTHER;
    this.#isValue = false;
  }

  #noteScalar(bytes: Buffer, end: number): void {
    let start = this.#valueFrom;
    let stop = end;
    while (start < stop && isJsonSpace(bytes[start])) start += 1;
    while (stop > start && isJsonSpace(bytes[stop - 1])) stop -= 1;
    if (stop - start !== 4 || bytes.compare(NULL_BYTES, 0, 4, start, stop) !== 0) {
      this.usage = 'several';
      return;
    }
    this.#note('null');
    if (this.#commaAt >= 0) {
      this.cutStart = this.#commaAt;
      this.cutEnd = stop;
    } else {
      // The first member goes with the comma behind it, up to the next name, or alone.
      this.cutStart = this.#nameStart;
      this.cutEnd = stop;
      this.#isCutOpen = bytes[end] === 0x2c;
    }
  }

  #note(found: Found): void {
    this.usage = this.usage === 'nothing' ? found : 'several';
  }

  /** What was lent for this turn is copied; more than any provider's is given up. */
  #gather(bytes: Buffer, end: number): void {
    const part = bytes.subarray(this.#gatherFrom, end);
    const gatheredBytes = (this.#gathered?.length ?? 0) + part.length;
    if (gatheredBytes > BOUNDS.usageObjectBytesMax) {
      this.#gatherDepth = 0;
      this.#gathered = null;
    } else {
      this.#gathered =
        this.#gathered === null ? Buffer.from(part) : Buffer.concat([this.#gathered, part]);
    }
  }

  #finishGathering(bytes: Buffer, end: number): void {
    const gatheredBytes = (this.#gathered?.length ?? 0) + end - this.#gatherFrom;
    if (gatheredBytes <= BOUNDS.usageObjectBytesMax) {
      if (this.#gathered === null) {
        this.figures.takeBytes(bytes, this.#gatherFrom, end);
      } else {
        const rest = bytes.toString('utf8', this.#gatherFrom, end);
        this.figures.takeText(this.#gathered.toString('utf8') + rest);
      }
    }
    this.#gatherDepth = 0;
    this.#gathered = null;
  }
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) {
    if (!isJsonSpace(bytes[at])) return false;
  }
  return true;
}

/**
 * Puts values down as msgpack, one after the other, in memory that it is lent. Off by hand from a library because it
 * writes in place, makes nothing, and can put down a run of values that it has packed before.
 */
const NIL = 0xc0;
const FALSE = 0xc2;
const TRUE = 0xc3;
const UINT8 = 0xcc;
const UINT16 = 0xcd;
const UINT32 = 0xce;
const UINT64 = 0xcf;
const FIXSTR = 0xa0;
const STR8 = 0xd9;
const STR16 = 0xda;
const ARRAY16 = 0xdc;
const TWO_31 = 2 ** 31;
const TWO_32 = 2 ** 32;
const US_PER_MS = 1000;

/** For a longer text the call of the platform is cheaper than looking at each character here. */
const SHORT_CHARS_MAX = 40;
/** As many as UTF-8 can make of a unit of a string. */
const BYTES_PER_UNIT_MAX = 3;

export class Packer {
  #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** From now on in this memory, which must have room for whatever comes. */
  begin(bytes: Buffer, at: number): void {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** One past the last byte. */
  get end(): number {
    return this.#at;
  }

  putArrayHead(length: number): void {
    this.#bytes[this.#at] = ARRAY16;
    this.#bytes[this.#at + 1] = length >> 8;
    this.#bytes[this.#at + 2] = length & 0xff;
    this.#at += 3;
  }

  putNil(): void {
    this.#bytes[this.#at] = NIL;
    this.#at += 1;
  }

  putFlag(flag: boolean): void {
    this.#bytes[this.#at] = flag ? TRUE : FALSE;
    this.#at += 1;
  }

  /** Whole values that are packed already. */
  putPacked(packed: Buffer): void {
    const bytes = this.#bytes;
    const at = this.#at;
    const { length } = packed;
    // For so few bytes as these are, cheaper than the call that copies them.
    for (let i = 0; i < length; i += 1) {
      bytes[at + i] = packed[i] as number;
    }
    this.#at = at + length;
  }

  /** What is above `bytesMax`, in UTF-8, is cut off at a whole character. */
  putText(text: string | null, bytesMax: number): void {
    if (text === null) {
      this.putNil();
      return;
    }
    const { length } = text;
    if (length > SHORT_CHARS_MAX) {
      this.#putLongText(text, bytesMax);
      return;
    }
    const bytes = this.#bytes;
    const at = this.#at;
    const from = at + (length < 32 ? 1 : 2);
    for (let i = 0; i < length; i += 1) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) {
        this.#putLongText(text, bytesMax);
        return;
      }
      bytes[from + i] = unit;
    }
    if (length < 32) {
      bytes[at] = FIXSTR | length;
    } else {
      bytes[at] = STR8;
      bytes[at + 1] = length;
    }
    this.#at = from + length;
  }

  /** Whole and up to 2^53, or null; what is below 0, or no number, becomes 0. */
  putInteger(value: number | null): void {
    if (value === null) {
      this.putNil();
    } else if (value < TWO_31) {
      this.#putSmall(value > 0 ? value | 0 : 0);
    } else {
      this.#putLarge(value);
    }
  }

  /** From one moment to another, in whole microseconds; what is negative, which only a defect is, becomes 0. */
  putSpan(fromMs: number, toMs: number): void {
    const us = (toMs - fromMs) * US_PER_MS + 0.5;
    // Told apart here, so that no number need be made of it on the heap to be passed on.
    if (us < TWO_31) {
      this.#putSmall(us > 0 ? us | 0 : 0);
    } else {
      this.#putLarge(us);
    }
  }

  /** As putSpan(), where the second moment may not have come: 0. */
  putMoment(fromMs: number, toMs: number): void {
    if (toMs > 0) {
      this.putSpan(fromMs, toMs);
    } else {
      this.putNil();
    }
  }

  #putSmall(value: number): void {
    const bytes = this.#bytes;
    const at = this.#at;
    if (value < 0x80) {
      bytes[at] = value;
      this.#at = at + 1;
    } else if (value < 0x100) {
      bytes[at] = UINT8;
      bytes[at + 1] = value;
      this.#at = at + 2;
    } else if (value < 0x10000) {
      bytes[at] = UINT16;
      bytes[at + 1] = value >> 8;
      bytes[at + 2] = value & 0xff;
      this.#at = at + 3;
    } else {
      bytes[at] = UINT32;
      put32(bytes, at + 1, value);
      this.#at = at + 5;
    }
  }

  #putLarge(value: number): void {
    if (Number.isNaN(value)) {
      this.#putSmall(0);
      return;
    }
    const safe = value < Number.MAX_SAFE_INTEGER ? Math.floor(value) : Number.MAX_SAFE_INTEGER;
    const high = Math.floor(safe / TWO_32);
    this.#bytes[this.#at] = UINT64;
    put32(this.#bytes, this.#at + 1, high | 0);
    put32(this.#bytes, this.#at + 5, (safe - high * TWO_32) | 0);
    this.#at += 9;
  }

  /** With the longest head, which any length may stand in. */
  #putLongText(text: string, bytesMax: number): void {
    const bytes = this.#bytes;
    const at = this.#at;
    const from = at + 3;
    const written = bytes.write(text, from, Math.min(text.length * BYTES_PER_UNIT_MAX, bytesMax));
    bytes[at] = STR16;
    bytes[at + 1] = written >> 8;
    bytes[at + 2] = written & 0xff;
    this.#at = from + written;
  }
}

function put32(bytes: Buffer, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = (value >>> 16) & 0xff;
  bytes[at + 2] = (value >>> 8) & 0xff;
  bytes[at + 3] = value & 0xff;
}

/** Where strings and white space end in the bytes of JSON, for all who look into bodies without parsing them. */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * How many bytes of a string are looked at one by one before the native search takes over: keys, roles
 * and names end before that, and a native call costs as much as about so many bytes do.
 */
const SHORT_STRING_BYTES = 8;

/**
 * The offset of the quote that ends the string, or -1 if it does not lie before `end`. `from` lies inside of the
 * string, right after its opening quote or anywhere later.
 */
export function findStringEnd(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end) {
    const stepEnd = Math.min(at + SHORT_STRING_BYTES, end);
    while (at < stepEnd && bytes[at] !== QUOTE) at++;
    if (at === stepEnd) {
      if (at === end) return -1;
      at = bytes.indexOf(QUOTE, at);
      if (at < 0 || at >= end) return -1;
    }
    if (bytes[at - 1] !== BACKSLASH || !isEscaped(bytes, at)) return at;
    // Escaped quotes come in crowds (code, JSON in JSON), so the next bytes are looked at one by one again.
    at++;
  }
  return -1;
}

/**
 * Whether an odd number of backslashes stands before the quote. The run ends at the opening quote at
 * the latest, and it belongs to this quote alone, so all runs together are no longer than the body.
 */
function isEscaped(bytes: Uint8Array, quoteAt: number): boolean {
  let at = quoteAt - 1;
  while (bytes[at] === BACKSLASH) at--;
  return ((quoteAt - at) & 1) === 0;
}

/** White space as JSON knows it (RFC 8259 section 2). */
export function isJsonSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === LINE_FEED || byte === CARRIAGE_RETURN || byte === TAB;
}

/** The first offset from `from` on at which there is none, or `end`. */
export function skipJsonSpace(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && (bytes[at] as number) <= SPACE && isJsonSpace(bytes[at])) at++;
  return at;
}

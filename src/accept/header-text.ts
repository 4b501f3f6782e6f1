/** What a request's header may be made of. */

/** RFC 9110 section 5.6.2, without `_` (P-06: gateways and CGI disagree on it). uWebSockets.js gives lower case. */
const NAME_CHARS = "!#$%&'*+-.^`|~0123456789abcdefghijklmnopqrstuvwxyz";
const ASCII_CHARS = 128;

/** By a character's code: 1 where a name may hold it. */
const IS_NAME_CHAR = new Uint8Array(ASCII_CHARS);
for (const char of NAME_CHARS) {
  IS_NAME_CHAR[char.charCodeAt(0)] = 1;
}

/** A loop, because names are so short that calling a regular expression takes longer than what it does. */
export function isHeaderName(name: string): boolean {
  for (let i = 0; i < name.length; i += 1) {
    const code = name.charCodeAt(i);
    if (code >= ASCII_CHARS || IS_NAME_CHAR[code] === 0) {
      return false;
    }
  }
  return name.length > 0;
}

/** Visible ASCII, space and tab, as uWebSockets.js decodes it; the rest must be well-formed UTF-8. */
const HEADER_VALUE = /^[\t\x20-\x7e\u0080-\ufffc]*$/;

export function isHeaderValue(value: string): boolean {
  return HEADER_VALUE.test(value);
}

/** So many digits stand for a whole number exactly. */
const LENGTH_DIGITS_MAX = 15;
const ZERO = 0x30;

/** The value of `content-length`; -1 where it is not plainly a decimal number. */
export function parseLength(value: string): number {
  if (value.length === 0 || value.length > LENGTH_DIGITS_MAX) {
    return -1;
  }
  let length = 0;
  for (let i = 0; i < value.length; i += 1) {
    const digit = value.charCodeAt(i) - ZERO;
    if (digit < 0 || digit > 9) {
      return -1;
    }
    length = length * 10 + digit;
  }
  return length;
}

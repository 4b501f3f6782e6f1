/** What a request's header may hold. */

/** Visible ASCII, space and tab, as uWebSockets.js decodes it; the rest must be well-formed UTF-8. */
const HEADER_VALUE = /^[\t\x20-\x7e\u0080-\ufffc]*$/;

export function isHeaderValue(value: string): boolean {
  return HEADER_VALUE.test(value);
}

/**
 * A name or an address, perhaps with a port (RFC 9112 section 3.2): no user, no path, and not two of them. Commas may
 * stand in a name by its grammar and never do; who joins two headers puts one there.
 */
const HOST_VALUE = /^(?:[0-9A-Za-z\-._~!$&'()*+;=%]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?$/;

/** Nearly all requests name the same. */
let lastHost = '';

export function isHostValue(value: string): boolean {
  if (value === lastHost) {
    return value !== '';
  }
  if (!HOST_VALUE.test(value)) {
    return false;
  }
  lastHost = value;
  return true;
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

/** What stands for a client's address where callers are told apart by it. */
import type { HttpResponse } from 'uWebSockets.js';

/** `0000:0000:0000:0000:0000:ffff:` before an IPv4 address, as uWebSockets.js writes it. */
const MAPPED_PREFIX = '0000:0000:0000:0000:0000:ffff:';
const IPV4_CHARS_MAX = 15;
const IPV6_CHARS = 39;
const NETWORK_CHARS = 19;

/** Only while the request's handler runs. */
export function readCallerAddress(response: HttpResponse): string {
  return nameCaller(Buffer.from(response.getRemoteAddressAsText()).toString('latin1'));
}

/**
 * IPv4 as it is, also where it came over a socket of IPv6. Of IPv6 the first 64 bits, such as
 * `2001:0db8:0000:0001`: whoever has one address there has 2^64 of them. Where the system doesn't tell, all share a name.
 *
 * @param text as uWebSockets.js writes it: dotted, or eight groups of four digits in full.
 */
export function nameCaller(text: string): string {
  if (text.length === IPV6_CHARS) {
    return text.startsWith(MAPPED_PREFIX) ? formatMapped(text) : text.slice(0, NETWORK_CHARS);
  }
  return text.length > 0 && text.length <= IPV4_CHARS_MAX ? text : 'unknown';
}

function formatMapped(text: string): string {
  const high = Number.parseInt(text.slice(30, 34), 16);
  const low = Number.parseInt(text.slice(35, 39), 16);
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/**
 * IP addresses and networks: read, compared and written. An IPv4 address and the same one mapped into IPv6
 * (`::ffff:192.0.2.1`) are one address here, because a socket of IPv6 shows clients of IPv4 in that form.
 */

/** Four words of 32 bits, the first the highest; IPv4 stands in the mapped form. */
export interface IpAddress {
  readonly words: readonly [number, number, number, number];
}

/** All addresses that begin with the same bits. */
export interface IpNetwork extends IpAddress {
  /** Bits that count, of 128; of an IPv4 network 96 more than one writes. */
  readonly prefixBits: number;
}

const MAPPED_WORD = 0xffff;
const MAPPED_BITS = 96;
const TEXT_CHARS_MAX = 45;

const ZERO = 0x30;
const DOT = 0x2e;
const COLON = 0x3a;

export function isIpv4({ words }: IpAddress): boolean {
  return words[0] === 0 && words[1] === 0 && words[2] === MAPPED_WORD;
}

/** Dotted IPv4 without leading zeros, or IPv6 without a zone, as RFC 4291 and RFC 5952 have them. null: it is neither. */
export function parseIp(text: string): IpAddress | null {
  if (text.length === 0 || text.length > TEXT_CHARS_MAX) return null;
  if (text.indexOf(':') >= 0) return parseIpv6(text);
  const word = parseIpv4(text, 0);
  return word < 0 ? null : { words: [0, 0, MAPPED_WORD, word] };
}

/** @returns -1 where what begins at `from` is no dotted address. */
function parseIpv4(text: string, from: number): number {
  let word = 0;
  let part = -1;
  let dots = 0;
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === DOT) {
      if (part < 0 || dots === 3) return -1;
      word = word * 256 + part;
      part = -1;
      dots += 1;
      continue;
    }
    const digit = code - ZERO;
    // A zero in front would be octal to some readers.
    if (digit < 0 || digit > 9 || part === 0) return -1;
    part = part < 0 ? digit : part * 10 + digit;
    if (part > 255) return -1;
  }
  return dots === 3 && part >= 0 ? word * 256 + part : -1;
}

const GROUPS = 8;

function parseIpv6(text: string): IpAddress | null {
  const groups: number[] = [];
  let gapAt = -1;
  let at = 0;
  if (text.charCodeAt(0) === COLON) {
    if (text.charCodeAt(1) !== COLON) return null;
    gapAt = 0;
    at = 2;
  }
  while (at < text.length) {
    let end = text.indexOf(':', at);
    if (end < 0) end = text.length;
    if (end === text.length && text.indexOf('.', at) >= 0) {
      const word = parseIpv4(text, at);
      if (word < 0) return null;
      groups.push(word >>> 16, word & 0xffff);
      break;
    }
    const group = parseGroup(text, at, end);
    if (group < 0) return null;
    groups.push(group);
    if (groups.length > GROUPS) return null;
    if (end === text.length) break;
    at = end + 1;
    if (text.charCodeAt(at) === COLON) {
      if (gapAt >= 0) return null;
      gapAt = groups.length;
      at += 1;
    } else if (at === text.length) {
      return null;
    }
  }
  if (gapAt < 0 ? groups.length !== GROUPS : groups.length >= GROUPS) return null;
  if (gapAt >= 0) groups.splice(gapAt, 0, ...new Array<number>(GROUPS - groups.length).fill(0));
  const word = (high: number): number => groups[high]! * 0x10000 + groups[high + 1]!;
  return { words: [word(0), word(2), word(4), word(6)] };
}

/** One to four hexadecimal digits; -1 for anything else. */
function parseGroup(text: string, from: number, to: number): number {
  if (to === from || to - from > 4) return -1;
  let group = 0;
  for (let at = from; at < to; at += 1) {
    const digit = readHexDigit(text.charCodeAt(at));
    if (digit < 0) return -1;
    group = group * 16 + digit;
  }
  return group;
}

function readHexDigit(code: number): number {
  const digit = code - ZERO;
  if (digit >= 0 && digit <= 9) return digit;
  const letter = (code | 0x20) - 0x61;
  return letter >= 0 && letter <= 5 ? letter + 10 : -1;
}

/** Dotted, or shortened as RFC 5952 asks for: `2001:db8::1`. */
export function formatIp(address: IpAddress): string {
  const { words } = address;
  if (isIpv4(address)) {
    const word = words[3];
    return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
  }
  const groups = words.flatMap((word) => [word >>> 16, word & 0xffff]);
  const { from, to } = findLongestZeros(groups);
  const write = (part: readonly number[]): string =>
    part.map((group) => group.toString(16)).join(':');
  return to - from < 2
    ? write(groups)
    : `${write(groups.slice(0, from))}::${write(groups.slice(to))}`;
}

function findLongestZeros(groups: readonly number[]): {
  readonly from: number;
  readonly to: number;
} {
  let longest = { from: 0, to: 0 };
  for (let from = 0; from < groups.length; from += 1) {
    let to = from;
    while (to < groups.length && groups[to] === 0) to += 1;
    if (to - from > longest.to - longest.from) longest = { from, to };
    from = to;
  }
  return longest;
}

/** `10.0.0.0/8`, `2001:db8::/32`, or one address. null: it is none, or bits stand behind the prefix. */
export function parseNetwork(text: string): IpNetwork | null {
  const slash = text.indexOf('/');
  const address = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (address === null) return null;
  const { words } = address;
  if (slash < 0) return { words, prefixBits: 128 };
  const digits = text.slice(slash + 1);
  const bits = Number(digits);
  if (!/^(?:0|[1-9]\d{0,2})$/.test(digits)) return null;
  const prefixBits = text.indexOf(':') < 0 ? bits + MAPPED_BITS : bits;
  if (prefixBits > 128) return null;
  const network = { words, prefixBits };
  return words.every((word, index) => (word & ~maskOf(prefixBits, index)) === 0) ? network : null;
}

/** The bits of a word that count. */
function maskOf(prefixBits: number, index: number): number {
  const bits = Math.min(32, Math.max(0, prefixBits - 32 * index));
  return bits === 0 ? 0 : -1 << (32 - bits);
}

export function isWithin(address: IpAddress, network: IpNetwork): boolean {
  // A short network of IPv6 does not mean the addresses of IPv4, although their mapped form lies in it.
  if (isIpv4(address) && network.prefixBits < MAPPED_BITS) return false;
  for (let index = 0; index < 4; index += 1) {
    const differing = address.words[index]! ^ network.words[index]!;
    if ((differing & maskOf(network.prefixBits, index)) !== 0) return false;
  }
  return true;
}

/** What stands for several networks in a configuration. */
export const NAMED_NETWORKS: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1'],
  // RFC 1918 and RFC 4193.
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};

/** The networks that one word of a configuration stands for; null where it is none. */
export function readNetworks(text: string): readonly IpNetwork[] | null {
  const names = Object.hasOwn(NAMED_NETWORKS, text) ? NAMED_NETWORKS[text]! : [text];
  const networks = names.map(parseNetwork);
  return networks.some((network) => network === null) ? null : (networks as IpNetwork[]);
}

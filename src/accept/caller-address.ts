/**
 * Who a client is by its address: the other end of its connection, or, where that is a trusted proxy, whom the proxy
 * says it speaks for. The one place that believes `x-forwarded-for`, and the one that asks the system for an address.
 */
import type { HttpResponse } from 'uWebSockets.js';
import type { WeirConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import {
  formatIp,
  type IpAddress,
  type IpNetwork,
  isIpv4,
  isWithin,
  parseIp,
  readNetworks,
} from '../core/ip-address.js';
import type { ProxiedPeers } from './proxy-front.js';
import type { PortedResponse } from './uws.js';

export interface ClientAddress {
  /** As it is written: `192.0.2.1`, `2001:db8::1`; empty where the system doesn’t tell. */
  readonly text: string;
  /** What callers are told apart by, see nameCaller(). */
  readonly caller: string;
  /** It is one of the trusted proxies. */
  readonly isTrusted: boolean;
}

/** Where the system doesn’t tell: the connection is gone. All such clients share a name, so that none is without limits. */
const UNKNOWN: ClientAddress = { text: '', caller: 'unknown', isTrusted: false };

/** Nobody asks where the request comes from. */
export const NOT_ASKED: ClientAddress = { text: '', caller: '', isTrusted: false };

const FORWARDED_FOR = 'x-forwarded-for';

/** Whether anything goes by clients’ addresses. */
export function asksForAddress({ callers, log, providers }: WeirConfig): boolean {
  return (
    callers?.by === 'address' || log.client || providers.some(({ tellsClient }) => tellsClient)
  );
}

export class ClientAddresses {
  readonly #trusted: readonly IpNetwork[];
  /** Texts that were read before; nearly every one has been. */
  readonly #known = new Map<string, ClientAddress>();

  /** @param trustedProxies networks as the configuration has them: `10.0.0.0/8`, `loopback`. */
  constructor(trustedProxies: readonly string[]) {
    this.#trusted = trustedProxies.flatMap((text) => readNetworks(text) ?? []);
  }

  /**
   * The other end of the connection, or whom the balancer there has named in front of it. Only while a handler of
   * uWebSockets.js runs; it costs a system call.
   */
  readPeer(response: HttpResponse, proxied: ProxiedPeers | null): ClientAddress {
    if (proxied !== null) {
      const port = (response as PortedResponse).getRemotePort?.() ?? 0;
      return this.find(proxied.find(port) ?? '') ?? UNKNOWN;
    }
    return this.find(readPeerText(response)) ?? UNKNOWN;
  }

  /**
   * The client of a request. Of the addresses in `x-forwarded-for` the last was written by the peer, the one before by
   * the proxy that the peer had it from, and so on; so the walk goes from the end, and stops at the first that is not
   * trusted: what stands before it a stranger may have written. What is no address ends the walk too, and the
   * last good one counts.
   *
   * @param headers name, value, name, value …, names in lower case.
   */
  findClient(peer: ClientAddress, headers: readonly string[]): ClientAddress {
    let client = peer;
    let hops = 0;
    for (let i = headers.length - 2; i >= 0 && client.isTrusted; i -= 2) {
      if (headers[i] !== FORWARDED_FOR) continue;
      const value = headers[i + 1]!;
      let end = value.length;
      while (end >= 0 && client.isTrusted) {
        const comma = end === 0 ? -1 : value.lastIndexOf(',', end - 1);
        const next = this.find(trimPort(value.slice(comma + 1, end).trim()));
        hops += 1;
        if (next === null || hops > BOUNDS.forwardedHopsMax) return client;
        client = next;
        end = comma;
      }
    }
    return client;
  }

  /** null: it is no address. */
  find(text: string): ClientAddress | null {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const address = parseIp(text);
    if (address === null) return null;
    const isTrusted = this.#trusted.some((network) => isWithin(address, network));
    const client = { text: formatIp(address), caller: nameCaller(address), isTrusted };
    if (this.#known.size >= BOUNDS.knownAddressesMax) this.#known.clear();
    // A copy: a part of a header’s value would keep all of it in memory.
    this.#known.set(Buffer.from(text, 'latin1').toString('latin1'), client);
    return client;
  }
}

/**
 * IPv4 as it is. Of IPv6 the first 64 bits, such as `2001:db8:0:1::`: whoever has one address there has 2^64 of them.
 */
export function nameCaller(address: IpAddress): string {
  const [high, low] = address.words;
  return formatIp(isIpv4(address) ? address : { words: [high, low, 0, 0] });
}

/** What the other end of a connection is told apart by; the same as `readPeer`, where nothing else needs addresses. */
export function readCaller(response: HttpResponse): string {
  return nameCallerText(readPeerText(response));
}

export function nameCallerText(text: string): string {
  const address = parseIp(text);
  return address === null ? UNKNOWN.caller : nameCaller(address);
}

function readPeerText(response: HttpResponse): string {
  return Buffer.from(response.getRemoteAddressAsText()).toString('latin1');
}

/** Some proxies write the port too: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function trimPort(text: string): string {
  if (text.charCodeAt(0) === BRACKET) {
    const end = text.indexOf(']');
    return end > 0 && isPort(text, end + 1) ? text.slice(1, end) : '';
  }
  const colon = text.indexOf(':');
  if (colon < 0 || colon !== text.lastIndexOf(':')) return text;
  return isPort(text, colon) ? text.slice(0, colon) : '';
}

const BRACKET = 0x5b;
const PORT_DIGITS_MAX = 5;

/** Nothing, or a colon and digits. */
function isPort(text: string, from: number): boolean {
  const digits = text.length - from - 1;
  if (digits === -1) return true;
  if (text[from] !== ':' || digits < 1 || digits > PORT_DIGITS_MAX) return false;
  for (let at = from + 1; at < text.length; at += 1) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return false;
  }
  return true;
}

/** Addresses to listen on: `host:port`, `[IPv6]:port` or a port alone. */
import { isIP, isIPv4 } from 'node:net';
import { isWithin, parseIp, readNetworks } from '../core/ip-address.js';
import type { ListenAddress } from './model.js';

export const PORT_MAX = 65_535;

const LOOPBACK = readNetworks('loopback') ?? [];

const HOST_AND_PORT = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/;
const HOST_NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;

/** Returns null where `value` is no address. A port alone listens on `hostDefault`. */
export function parseAddress(value: unknown, hostDefault: string): ListenAddress | null {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string') return null;
  if (/^\d{1,5}$/.test(text)) return toAddress(hostDefault, text);
  const [, bracketed, plain, port = ''] = HOST_AND_PORT.exec(text) ?? [];
  if (bracketed !== undefined) return isIP(bracketed) === 6 ? toAddress(bracketed, port) : null;
  if (plain !== undefined) return isHost(plain) ? toAddress(plain, port) : null;
  return null;
}

/** A host name or an IP address; IPv6 stands without brackets here. */
export function isHost(text: string): boolean {
  // Digits and dots alone are meant as an IPv4 address, never as a name to look up.
  if (/^[\d.]+$/.test(text)) return isIPv4(text);
  return isIP(text) !== 0 || (text.length <= 253 && HOST_NAME.test(text));
}

export function formatAddress(address: ListenAddress): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

/** Whether two listeners would want the same socket. Port 0 is a different one each time. */
export function doAddressesClash(a: ListenAddress, b: ListenAddress): boolean {
  if (a.port !== b.port || a.port === 0) return false;
  return a.host === b.host || isWildcard(a.host) || isWildcard(b.host);
}

/** Whether only this machine can connect to it. A name may be anybody's, but for this one. */
export function isLoopback(host: string): boolean {
  if (host.toLowerCase() === 'localhost') return true;
  const address = parseIp(host);
  return address !== null && LOOPBACK.some((network) => isWithin(address, network));
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function toAddress(host: string, port: string): ListenAddress | null {
  const number = Number(port);
  return number <= PORT_MAX ? { host, port: number } : null;
}

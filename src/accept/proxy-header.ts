/**
 * Reads the header that a balancer puts in front of a connection: the PROXY protocol, versions 1 and 2
 * (https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt, sections 2.1 and 2.2). It says who is at the other end
 * of the balancer. Whether it may be believed is its reader's business.
 */
import { Buffer } from 'node:buffer';
import { BOUNDS } from '../core/bounds.js';
import { formatIp, type IpAddress, parseIp } from '../core/ip-address.js';

export type ProxyVersions = 'v1' | 'v2' | 'either';

export type ProxyHeaderReading =
  /** It can still become a header. */
  | { readonly kind: 'incomplete' }
  /** It never will. */
  | { readonly kind: 'wrong'; readonly reason: string }
  | {
      readonly kind: 'header';
      /** How long it is; what follows belongs to whoever is behind the balancer. */
      readonly bytes: number;
      /** Such as `192.0.2.1`, `2001:db8::1`; null: the balancer speaks for itself (health checks), or does not know. */
      readonly source: string | null;
    };

const INCOMPLETE: ProxyHeaderReading = { kind: 'incomplete' };

const V1_START = Buffer.from('PROXY ', 'latin1');
/** With CR and LF; the longest that the protocol allows. */
const V1_BYTES_MAX = 107;
const CR = 0x0d;

const V2_START = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const V2_FIXED_BYTES = 16;
const V2_VERSION = 2;
const LOCAL = 0;
const PROXIED = 1;
const TCP_4 = 0x11;
const TCP_6 = 0x21;
/** Two addresses and two ports. */
const TCP_4_BYTES = 12;
const TCP_6_BYTES = 36;

/** @param bytes all that came on the connection so far; none of it need be a header. */
export function readProxyHeader(bytes: Buffer, versions: ProxyVersions): ProxyHeaderReading {
  if (bytes.length === 0) return INCOMPLETE;
  if (versions !== 'v1' && beginsLike(bytes, V2_START)) return readVersion2(bytes);
  if (versions !== 'v2' && beginsLike(bytes, V1_START)) return readVersion1(bytes);
  const wanted = versions === 'either' ? '' : ` of ${versions}`;
  return wrong(`the connection does not begin with a header${wanted}`);
}

/**
 * What is no trusted proxy has no header, and must not have one: uWebSockets.js would swallow one of version 2, which no
 * HTTP and no TLS begins with. One of version 1 it refuses. All else that comes is the client's own.
 */
export function readStranger(bytes: Buffer): ProxyHeaderReading {
  if (!beginsLike(bytes, V2_START)) return { kind: 'header', bytes: 0, source: null };
  if (bytes.length < V2_START.length) return INCOMPLETE;
  return wrong('it is none of trusted_proxies and sends a header');
}

/** Of what is shorter: as far as it goes. */
function beginsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

function readVersion2(bytes: Buffer): ProxyHeaderReading {
  if (bytes.length < V2_FIXED_BYTES) return INCOMPLETE;
  const version = bytes.readUInt8(12) >> 4;
  const command = bytes.readUInt8(12) & 0xf;
  if (version !== V2_VERSION) return wrong(`version ${version} of the protocol is not known`);
  if (command !== LOCAL && command !== PROXIED) return wrong(`command ${command} is not known`);
  const payloadBytes = bytes.readUInt16BE(14);
  const length = V2_FIXED_BYTES + payloadBytes;
  if (length > BOUNDS.proxyHeaderBytesMax) return wrong(`the header has ${length} bytes`);
  const family = bytes.readUInt8(13);
  const addressBytes = family === TCP_4 ? TCP_4_BYTES : family === TCP_6 ? TCP_6_BYTES : 0;
  if (command === PROXIED && payloadBytes < addressBytes) return wrong('its addresses are cut off');
  if (bytes.length < length) return INCOMPLETE;
  // Of LOCAL the addresses must not be used; of what is no TCP (unix sockets) there is none to use.
  const isUsed = command === PROXIED && addressBytes > 0;
  return { kind: 'header', bytes: length, source: isUsed ? readSource(bytes, family) : null };
}

function readSource(bytes: Buffer, family: number): string {
  const at = V2_FIXED_BYTES;
  const word = (index: number): number => bytes.readUInt32BE(at + 4 * index);
  const address: IpAddress =
    family === TCP_4
      ? { words: [0, 0, 0xffff, word(0)] }
      : { words: [word(0), word(1), word(2), word(3)] };
  return formatIp(address);
}

function readVersion1(bytes: Buffer): ProxyHeaderReading {
  const end = bytes.indexOf(CR);
  if (end < 0 || end + 1 === bytes.length) {
    return bytes.length < V1_BYTES_MAX ? INCOMPLETE : wrong('its line does not end');
  }
  if (end + 2 > V1_BYTES_MAX) return wrong('its line is too long');
  if (bytes[end + 1] !== 0x0a) return wrong('its line ends with CR alone');
  const [, family, ...fields] = bytes.toString('latin1', 0, end).split(' ');
  const length = end + 2;
  // What else stands in such a line is to be ignored.
  if (family === 'UNKNOWN') return { kind: 'header', bytes: length, source: null };
  if (family !== 'TCP4' && family !== 'TCP6')
    return wrong('its family is not TCP4, TCP6 or UNKNOWN');
  const [from, to, fromPort, toPort] = fields;
  const hasAll = fields.length === 4 && isPort(fromPort) && isPort(toPort);
  const source = readAddress(from, family);
  if (!hasAll || source === null || readAddress(to, family) === null) {
    return wrong(`its line is not two addresses of ${family} and two ports`);
  }
  return { kind: 'header', bytes: length, source: formatIp(source) };
}

function readAddress(text: string | undefined, family: 'TCP4' | 'TCP6'): IpAddress | null {
  if (text === undefined || text.includes(':') !== (family === 'TCP6')) return null;
  return parseIp(text);
}

const PORT_MAX = 65_535;

/** Decimal without zeros in front. */
function isPort(text: string | undefined): boolean {
  const port = Number(text);
  return text === String(port) && Number.isInteger(port) && port >= 0 && port <= PORT_MAX;
}

function wrong(reason: string): ProxyHeaderReading {
  return { kind: 'wrong', reason };
}

/**
 * Counts connections by client address, as the kernel lists them: for all workers, and exactly, which a worker could not,
 * for when a connection closes nobody can say any more whose it was.
 */
import type { ClientAddresses } from '../accept/caller-address.js';
import { SYSTEM_FILES, type SystemFiles } from './process-readings.js';

/** State `ESTABLISHED` of include/net/tcp_states.h, as /proc/net/tcp writes it. */
const ESTABLISHED = '01';
const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'];
const WORD_DIGITS = 8;

/** What is looked for. */
export interface CrowdSearch {
  /** That clients connect to. */
  readonly port: number;
  /** Connections that an address may have; with as many it gets no more. */
  readonly max: number;
  /** Trusted proxies are no crowd: each speaks for many clients. */
  readonly addresses: ClientAddresses;
  readonly addressesMax: number;
}

/**
 * @returns addresses with at least as many connections as `max`, the most first; at most `addressesMax`.
 */
export function findCrowded(
  { port, max, addresses, addressesMax }: CrowdSearch,
  files: SystemFiles = SYSTEM_FILES,
): string[] {
  const counts = new Map<string, number>();
  const localEnd = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const table of TABLES) {
    for (const line of (files.readText(table) ?? '').split('\n')) {
      const [, local, remote, state] = line.trim().split(/\s+/, 4);
      if (state !== ESTABLISHED || local?.endsWith(localEnd) !== true || remote === undefined) {
        continue;
      }
      const client = addresses.find(formatAddress(remote.slice(0, remote.indexOf(':'))));
      if (client !== null && !client.isTrusted) {
        counts.set(client.caller, (counts.get(client.caller) ?? 0) + 1);
      }
    }
  }
  return [...counts]
    .filter(([, count]) => count >= max)
    .sort(([, one], [, other]) => other - one)
    .slice(0, addressesMax)
    .map(([address]) => address);
}

/** The kernel prints words of 32 bits in the machine's byte order; out comes what uWebSockets.js writes. */
function formatAddress(hex: string): string {
  const bytes: string[] = [];
  for (let at = 0; at < hex.length; at += WORD_DIGITS) {
    const pairs = hex.slice(at, at + WORD_DIGITS).match(/../g) ?? [];
    bytes.push(...pairs.reverse());
  }
  if (bytes.length === 4) {
    return bytes.map((byte) => Number.parseInt(byte, 16)).join('.');
  }
  const groups: string[] = [];
  for (let at = 0; at + 1 < bytes.length; at += 2) {
    groups.push(`${bytes[at]}${bytes[at + 1]}`.toLowerCase());
  }
  return groups.join(':');
}

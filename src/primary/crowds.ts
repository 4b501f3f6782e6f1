/**
 * Counts connections by client address, as the kernel lists them: for all workers, and exactly, which a worker could not,
 * for when a connection closes nobody can say any more whose it was.
 */
import { nameCaller } from '../accept/caller-address.js';
import { SYSTEM_FILES, type SystemFiles } from './process-readings.js';

/** State `ESTABLISHED` of include/net/tcp_states.h, as /proc/net/tcp writes it. */
const ESTABLISHED = '01';
const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'];
const WORD_DIGITS = 8;

/**
 * @param port that clients connect to.
 * @returns addresses with at least as many connections as `max`, the most first; at most `addressesMax`.
 */
export function findCrowded(
  port: number,
  max: number,
  addressesMax: number,
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
      const address = nameCaller(formatAddress(remote.slice(0, remote.indexOf(':'))));
      counts.set(address, (counts.get(address) ?? 0) + 1);
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

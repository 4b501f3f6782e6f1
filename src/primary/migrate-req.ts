/**
 * Linux moves connections that wait in the queue of a listening socket to another socket of the same port when the first
 * is closed, but only where `net.ipv4.tcp_migrate_req` is set; else it resets them. An upgrade closes sockets.
 */
import { readFileSync } from 'node:fs';

const PATH = '/proc/sys/net/ipv4/tcp_migrate_req';

/** Where nothing is known of it, on other systems and before Linux 5.14, it is not on. */
export function migratesRequests(): boolean {
  try {
    return readFileSync(PATH, 'utf8').trim() === '1';
  } catch {
    return false;
  }
}

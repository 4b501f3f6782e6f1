/** What an operator does to put a new server in the place of the old one, and sees of it. */
import type { Gateway, LogLine } from './gateway.js';

/** SIGUSR2, and until another server serves. @returns how long that took, in milliseconds. */
export async function upgradeGateway(gateway: Gateway, timeoutMs = 30_000): Promise<number> {
  const before = gateway.pid;
  const startMs = performance.now();
  gateway.child.kill('SIGUSR2');
  const serves = (line: LogLine): boolean =>
    line['old_pid'] === before && /the new server serves/.test(String(line['msg']));
  const line = await gateway.waitForLog(serves, timeoutMs);
  const tookMs = performance.now() - startMs;
  await gateway.waitForLog(({ msg, pid }) => msg === 'ready' && pid === line['pid'], timeoutMs);
  return tookMs;
}

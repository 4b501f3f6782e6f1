/**
 * Runs a test file once more in a network namespace of its own, where `net.ipv4.tcp_migrate_req` is set: with it Linux
 * moves connections from a socket that is closed to another one of the port. Needs root, and the programs below.
 */
import { spawn, spawnSync } from 'node:child_process';
import { hasProgram } from './need.js';

const MARK = 'WEIR_TEST_NAMESPACE';
const SETTING = '/proc/sys/net/ipv4/tcp_migrate_req';

export const isInNamespace = process.env[MARK] === '1';

export const NAMESPACE_NEEDS = 'unshare and ip, and the right to make a network namespace';

/** Whether one can be made here. */
export function canMakeNamespace(): boolean {
  if (!hasProgram('unshare') || !hasProgram('ip')) return false;
  return (
    spawnSync('unshare', ['-n', 'sh', '-c', `ip link set lo up && test -e ${SETTING}`]).status === 0
  );
}

/** @returns the exit code, and all that was written; `onLine` is told of it as it comes. */
export function runInNamespace(
  file: string,
  args: readonly string[] = [],
  onLine: (line: string) => void = () => {},
): Promise<{ readonly code: number | null; readonly output: string }> {
  const { NODE_TEST_CONTEXT: _marker, ...inherited } = process.env;
  const script = `ip link set lo up && echo 1 > ${SETTING} && exec "$@"`;
  const command = ['-n', 'sh', '-c', script, 'sh', process.execPath, '--enable-source-maps', file];
  return new Promise((resolve) => {
    const child = spawn('unshare', [...command, ...args], {
      env: { ...inherited, [MARK]: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let rest = '';
    const take = (text: string): void => {
      output += text;
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onLine(line);
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.on('close', (code) => resolve({ code, output }));
  });
}

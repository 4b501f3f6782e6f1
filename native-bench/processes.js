/**
 * Every program that the benchmark starts goes through here, so that none is left behind: each leads a
 * process group of its own, and all groups are killed when the run ends, whichever way it ends.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import net from 'node:net';
import readline from 'node:readline';

/** @typedef {import('node:child_process').ChildProcess} ChildProcess */

/** @type {Set<ChildProcess>} */
const running = new Set();

/** @param {ChildProcess} child @param {NodeJS.Signals} signal */
function signalGroup(child, signal) {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone already.
  }
}

export function killAll() {
  for (const child of running) signalGroup(child, 'SIGKILL');
  running.clear();
}

process.on('exit', killAll);
for (const [signal, number] of /** @type {const} */ ([
  ['SIGINT', 2],
  ['SIGTERM', 15],
  ['SIGHUP', 1],
]))
  process.on(signal, () => process.exit(128 + number)); // 'exit' then kills them.

/**
 * @typedef {object} Started
 * @property {ChildProcess} child
 * @property {number} pid
 * @property {() => string} stderrTail what it said last, for error messages
 * @property {Promise<void>} ended
 */

/**
 * `cpu` is a core, or a list of them as taskset takes it; null leaves it to the scheduler. setpriv and taskset replace themselves by the program, so the pid
 * is the program's. setpriv has the kernel end the program should this process be killed outright, which
 * no handler here would see.
 * @param {string} program
 * @param {string[]} args
 * @param {{ cpu: number | string | null, cwd?: string, env?: Record<string, string>, stdoutFile?: string }} place `env`: beside our own;
 * `stdoutFile`: what it prints is added to that file, so that nobody here spends time on reading it
 * @returns {Started}
 */
export function start(program, args, { cpu, cwd, env = {}, stdoutFile }) {
  const output = stdoutFile === undefined ? 'pipe' : openSync(stdoutFile, 'a');
  const pinning = cpu === null ? [] : ['taskset', '-c', String(cpu)];
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', ...pinning, program, ...args], {
    cwd,
    detached: true,
    env: { ...process.env, ...env },
    stdio: ['pipe', output, 'pipe'],
  });
  if (typeof output === 'number') closeSync(output);
  running.add(child);
  let tail = '';
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    tail = (tail + text).slice(-2000);
  });
  /** @type {Promise<void>} */
  const ended = new Promise((resolve) => {
    child.on('error', (error) => {
      tail += String(error);
    });
    child.on('close', () => {
      // Only now: its own children may have outlived it in the group.
      signalGroup(child, 'SIGKILL');
      running.delete(child);
      resolve();
    });
  });
  return { child, pid: child.pid ?? -1, stderrTail: () => tail, ended };
}

/** Waits for the first line of output that `match` makes something of. Reads on afterwards, so that a full pipe never stops the program.
 * @template T
 * @param {Started} started
 * @param {(line: string) => T | null} match
 * @param {{ what: string, withinMs: number }} limits
 * @returns {Promise<T>}
 */
export function waitForLine(started, match, { what, withinMs }) {
  return new Promise((resolve, reject) => {
    const { stdout } = started.child;
    if (stdout === null) throw new Error('no output to read');
    /** @type {string[]} */
    const last = [];
    const fail = (/** @type {string} */ why) =>
      reject(new Error(`${what}: ${why}\n${last.join('\n')}\n${started.stderrTail()}`.trim()));
    const timer = setTimeout(() => fail(`nothing within ${withinMs} ms`), withinMs);
    let found = false;
    readline.createInterface({ input: stdout }).on('line', (line) => {
      if (found) return;
      last.push(line);
      if (last.length > 10) last.shift();
      const value = match(line);
      if (value === null) return;
      found = true;
      clearTimeout(timer);
      resolve(value);
    });
    started.ended.then(() => {
      clearTimeout(timer);
      fail('it ended');
    });
  });
}

/** SIGTERM, and SIGKILL for what has not gone by then. @param {Started} started @param {number} [graceMs] */
export async function stop(started, graceMs = 3000) {
  started.child.kill('SIGTERM');
  const timer = setTimeout(() => signalGroup(started.child, 'SIGKILL'), graceMs);
  await started.ended;
  clearTimeout(timer);
}

/** @param {number} ms */
export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** @param {number} port @returns {Promise<boolean>} */
function canListen(port) {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () =>
      server.close(() => resolve(true)),
    );
  });
}

/** @type {Set<number>} */
const handedOut = new Set();

/**
 * From below the range that the kernel takes for outgoing connections (32768 up): a port from that
 * range may be gone again by the time the proxy binds it, taken by one of thousands of connections.
 */
export async function findFreePort() {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = 18000 + Math.floor(Math.random() * 14000);
    if (handedOut.has(port) || !(await canListen(port))) continue;
    handedOut.add(port);
    return port;
  }
  throw new Error('no free port on 127.0.0.1 between 18000 and 32000');
}

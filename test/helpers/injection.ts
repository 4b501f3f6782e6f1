/**
 * Faults put into a running gateway from outside: a module that Node loads into each of its threads, in front of
 * Weir's own, and that waits for SIGUSR2. Thread 2 is the second worker.
 */
import type { ScratchFolder } from './command.js';

const ACTIONS = {
  /** Throws where nothing catches, as a defect would. */
  throw: "throw new Error('injected defect');",
  /** Holds the loop up for two seconds. */
  spin: 'const endMs = performance.now() + 2000; while (performance.now() < endMs);',
} as const;

/** For `nodeArgs`. */
export function injectOnSignal(scratch: ScratchFolder, action: keyof typeof ACTIONS): string[] {
  const text = `
import { threadId } from 'node:worker_threads';
const channel = new BroadcastChannel('weir-test');
channel.unref();
if (threadId === 0) process.on('SIGUSR2', () => channel.postMessage('now'));
if (threadId === 2) channel.onmessage = () => { ${ACTIONS[action]} };
`;
  return ['--import', scratch.write(`${action}-on-signal.mjs`, text)];
}

/** The second worker, and each that takes the place of another, throws as soon as a file of that name is there. */
export function injectWhenThere(scratch: ScratchFolder, file: string): string[] {
  const text = `
import { existsSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
const look = () => { if (existsSync(${JSON.stringify(file)})) throw new Error('injected defect'); };
if (threadId >= 2) setInterval(look, 100).unref();
`;
  return ['--import', scratch.write('throw-when-there.mjs', text)];
}

/** The second worker throws, or ends without a word, before Weir's code in it runs. */
export function injectAtStart(scratch: ScratchFolder, action: 'throw' | 'exit'): string[] {
  const does = action === 'throw' ? "throw new Error('injected at start')" : 'process.exit(3)';
  const text = `
import { threadId } from 'node:worker_threads';
if (threadId === 2) ${does};
`;
  return ['--import', scratch.write(`${action}-at-start.mjs`, text)];
}

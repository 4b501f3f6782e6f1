/**
 * How a thread gets from its start to its work. Threads are started before it is known what with, so that what they run
 * is loaded meanwhile: a server that died is back sooner for it. The first message says what with; those that follow
 * wait until somebody takes them.
 */
import type { MessagePort } from 'node:worker_threads';
import type { WorkerStart } from './messages.js';

/** In place of a start: the thread is not needed. */
export const NOT_NEEDED = null;

let start: WorkerStart | null = null;
let takeMessage: ((message: unknown) => void) | null = null;
const early: unknown[] = [];

/** To be called once in a thread. */
export function awaitStart(port: MessagePort, onStart: () => void): void {
  port.on('message', (message: unknown) => {
    if (takeMessage !== null) takeMessage(message);
    else if (start !== null) early.push(message);
    else if (message === NOT_NEEDED) port.close();
    else {
      start = message as WorkerStart;
      onStart();
    }
  });
}

/** @throws Error in a thread that was not started. */
export function getStart(): WorkerStart {
  if (start === null) throw new Error('worker.js is started by thread.js only');
  return start;
}

/** Who gets all messages but the first. */
export function onMessages(take: (message: unknown) => void): void {
  takeMessage = take;
  for (const message of early.splice(0)) take(message);
}

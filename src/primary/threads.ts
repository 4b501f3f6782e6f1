/** Threads that are started before there is anything for them to do; see worker/thread-start.ts. */
import { Worker } from 'node:worker_threads';
import { NOT_NEEDED } from '../worker/thread-start.js';

export interface PreparedThread {
  readonly worker: Worker;
  /** What it died of before anybody asked for it; null: it lives. */
  failure: Error | null;
  /** Removes what watches for that. */
  release(): void;
}

/** By index. */
const prepared = new Map<number, PreparedThread>();

export function prepareThreads(count: number): void {
  for (let index = 0; index < count; index += 1) prepared.set(index, startThread(index));
}

/** One that was prepared, or a new one. */
export function takeThread(index: number): PreparedThread {
  const thread = prepared.get(index) ?? startThread(index);
  prepared.delete(index);
  return thread;
}

/** Those that nobody took end by themselves, the one way that is safe. */
export async function endUnusedThreads(): Promise<void> {
  const unused = [...prepared.values()];
  prepared.clear();
  await Promise.all(
    unused.map(({ worker, failure }) => {
      // Whoever died has told so, and an end that has been told is not told again.
      if (failure !== null) return null;
      worker.postMessage(NOT_NEEDED);
      return new Promise((resolve) => worker.once('exit', resolve));
    }),
  );
}

function startThread(index: number): PreparedThread {
  const worker = new Worker(new URL('../worker/thread.js', import.meta.url), {
    name: `weir-worker-${index}`,
  });
  const onError = (error: Error): void => {
    thread.failure = error;
  };
  const onExit = (code: number): void => {
    thread.failure ??= new Error(`worker ${index} ended with code ${code} before it was started`);
  };
  const thread: PreparedThread = {
    worker,
    failure: null,
    release: () => worker.off('error', onError).off('exit', onExit),
  };
  worker.on('error', onError).on('exit', onExit);
  return thread;
}

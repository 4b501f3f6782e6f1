/** The entry of a worker thread: loads what a worker runs, and waits to be told what with. */
import { parentPort } from 'node:worker_threads';
import '../accept/listener.js';
import '../pipeline.js';
import './runtime.js';
import { awaitStart } from './thread-start.js';

if (parentPort === null) {
  throw new Error('thread.js is started by the primary only');
}
awaitStart(parentPort, () => {
  void import('./worker.js');
});

/** The entry of a worker thread: builds the runtime, listens, answers the primary. */
import { parentPort, workerData } from 'node:worker_threads';
import { Listener } from '../accept/listener.js';
import { nowMs } from '../core/clock.js';
import { decodeMessage, encodeMessage } from '../core/wire.js';
import { runExchange } from '../pipeline.js';
import { Drain } from './drain.js';
import type { ToPrimary, ToWorker, WorkerStart } from './messages.js';
import { WorkerRuntime } from './runtime.js';

const port = parentPort;
if (port === null) {
  throw new Error('worker.js is started by the primary only');
}

const send = (message: ToPrimary): void => {
  const { bytes, transfer } = encodeMessage(message);
  port.postMessage(bytes, transfer);
};

const start = workerData as WorkerStart;
const runtime = new WorkerRuntime(start, send);
const listener = new Listener({
  tls: start.config.listen.tls,
  readsAddress: start.config.callers?.by === 'address',
  onRequest: (downstream, head) => runExchange(runtime, downstream, head),
  onFault: (error) => runtime.onFault(null, error),
  onConnections: (delta) => runtime.onConnections(delta),
  admitsConnection: (readAddress) => runtime.connectionGate.admits(readAddress),
});

process.on('uncaughtException', (error) => runtime.onFault(null, error));

const drain = new Drain(listener, runtime, (cut) => {
  send({ kind: 'drained', cut });
  port.close();
});
port.on('message', (bytes: Uint8Array) => {
  const message = decodeMessage(bytes) as ToWorker;
  switch (message.kind) {
    case 'log-taken':
      runtime.log.acknowledge(message.bytes);
      break;
    case 'histograms':
      runtime.sendHistograms(message.request);
      break;
    case 'tokens-counted':
      runtime.tokenCounts.onCounted(message.id, message.tokens);
      break;
    case 'crowded':
      runtime.connectionGate.setCrowded(message.addresses);
      break;
    case 'stop-listening':
      listener.stopListening();
      send({ kind: 'not-listening' });
      break;
    case 'drain':
      drain.begin(message.timeoutMs);
      break;
  }
});

if (start.port !== null) {
  listener.listen(start.config.listen.host, start.port);
}
send({
  kind: 'listening',
  descriptor: start.port === null ? listener.getDescriptor() : null,
  startMs: nowMs(),
});

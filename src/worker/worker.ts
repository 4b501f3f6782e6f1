/** The entry of a worker thread: builds the runtime, listens, answers the primary. */
import { parentPort, workerData } from 'node:worker_threads';
import { Listener } from '../accept/listener.js';
import { nowMs } from '../core/clock.js';
import { decodeMessage, encodeMessage } from '../core/wire.js';
import { runExchange } from '../pipeline.js';
import { DeputyClient } from './deputy-client.js';
import { Drain } from './drain.js';
import { Gate } from './gate.js';
import type { PrepareGeneration, ToPrimary, ToWorker, WorkerStart } from './messages.js';
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
const { config } = start.generation;
const runtime = new WorkerRuntime(start, send);
const listener = new Listener({
  tls: config.listen.tls,
  get addresses() {
    return runtime.current.addresses;
  },
  onRequest: (downstream, head) => runExchange(runtime.current, downstream, head),
  onFault: (error) => runtime.onFault(null, error),
  onConnections: (delta) => runtime.onConnections(delta),
  admitsConnection: (readAddress) => runtime.connectionGate.admits(readAddress),
});

process.on('uncaughtException', (error) => runtime.onFault(null, error));

const gate = new Gate(start.gate);
const drain = new Drain(listener, runtime, (cut) => {
  send({ kind: 'drained', cut });
  port.close();
});
port.on('message', (sent: Uint8Array | PrepareGeneration) => {
  const message = sent instanceof Uint8Array ? (decodeMessage(sent) as ToWorker) : sent;
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
    case 'reload-certificate':
      try {
        listener.reloadCertificate();
      } catch (error) {
        send({ kind: 'certificate-refused', problem: String(error) });
      }
      break;
    case 'reserved':
      runtime.deputy?.onReserved(message.id, message.answer);
      break;
    case 'prepare':
      runtime.prepare(message.generation);
      break;
    case 'turn':
      runtime.turn();
      break;
    case 'discard':
      runtime.discard(message.number);
      break;
    case 'stop-listening':
      listener.stopListening();
      send({ kind: 'not-listening' });
      break;
    case 'hand-over':
      runtime.beginDraining();
      runtime.deputy = new DeputyClient(send);
      send({ kind: 'paused' });
      gate.wait();
      break;
    case 'drain':
      drain.begin(message);
      break;
  }
});

if (start.port !== null) {
  listener.listen(config.listen.host, start.port);
}
send({
  kind: 'listening',
  descriptor: start.port === null ? listener.getDescriptor() : null,
  startMs: nowMs(),
});
if (start.isHeld) {
  gate.wait();
}

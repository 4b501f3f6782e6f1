/** A worker at work: builds the runtime, listens, answers the primary. Loaded by thread.ts when it is known what with. */
import { parentPort } from 'node:worker_threads';
import { Listener } from '../accept/listener.js';
import { ProxiedPeers, ProxyFront } from '../accept/proxy-front.js';
import { createRefusalLog } from '../accept/refusal-log.js';
import { nowMs } from '../core/clock.js';
import { decodeMessage, encodeMessage } from '../core/wire.js';
import { runExchange } from '../pipeline.js';
import { DeputyClient } from './deputy-client.js';
import { Drain } from './drain.js';
import { Gate } from './gate.js';
import type { PrepareGeneration, ToPrimary, ToWorker } from './messages.js';
import { WorkerRuntime } from './runtime.js';
import { getStart, onMessages } from './thread-start.js';

const port = parentPort;
if (port === null) {
  throw new Error('worker.js is started by the primary only');
}

const send = (message: ToPrimary): void => {
  const { bytes, transfer } = encodeMessage(message);
  port.postMessage(bytes, transfer);
};

const start = getStart();
const { config } = start.generation;
const runtime = new WorkerRuntime(start, send);
const { proxyProtocol } = config.listen;
const peers = proxyProtocol === 'off' ? null : new ProxiedPeers();
const onConnections = (delta: number): void => runtime.onConnections(delta);
const admitsConnection = (readAddress: () => string): boolean =>
  runtime.connectionGate.admits(readAddress);
const listener = new Listener({
  tls: config.listen.tls,
  peers,
  get addresses() {
    return runtime.current.addresses;
  },
  onRequest: (downstream, head) => runExchange(runtime.current, downstream, head),
  onFault: (error) => runtime.onFault(null, error),
  onConnections: peers === null ? onConnections : () => {},
  admitsConnection: peers === null ? admitsConnection : () => true,
});

const front =
  proxyProtocol === 'off' || peers === null
    ? null
    : new ProxyFront(listener, peers, {
        versions: proxyProtocol,
        isTrusted: (address) => runtime.current.proxies.find(address)?.isTrusted === true,
        onConnections,
        admitsConnection,
        onRefused: createRefusalLog((message) => send({ kind: 'warning', message })),
        sharesPort: true,
      });
/** What clients connect to. */
const door = front ?? listener;

const gate = new Gate(start.gate);
const drain = new Drain(door, runtime, (cut) => {
  send({ kind: 'drained', cut });
  port.close();
});
onMessages((received) => {
  const sent = received as Uint8Array | PrepareGeneration;
  const message = sent instanceof Uint8Array ? (decodeMessage(sent) as ToWorker) : sent;
  switch (message.kind) {
    case 'log-taken':
      runtime.log.acknowledge(message.bytes);
      break;
    case 'traces-taken':
      runtime.traces.acknowledge();
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
      door.stopListening();
      send({ kind: 'not-listening' });
      break;
    case 'hand-over':
      runtime.beginDraining();
      runtime.records.flush();
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
  const { host } = config.listen;
  if (front === null) listener.listen(host, start.port);
  else await front.listen({ host, port: start.port });
}
// However the thread ends, unless it is killed.
process.on('exit', () => runtime.records.flush());
// Not before it listens: what goes wrong until then ends the thread, and the start with it, at once.
process.on('uncaughtException', (error) => runtime.onFault(null, error));
send({
  kind: 'listening',
  descriptor: start.port === null ? listener.getDescriptor() : null,
  startMs: nowMs(),
});
if (start.isHeld) {
  gate.wait();
}

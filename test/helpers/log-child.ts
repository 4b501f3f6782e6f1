/**
 * A small process with a real stdout for test/unit/observe/log-sink.test.ts: a primary with a sink, and
 * workers that log through batches. The report goes to stderr as JSON.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { decodeMessage, encodeMessage } from '../../src/core/wire.js';
import {
  createLogMemory,
  LogBatch,
  type SentLines,
  viewLines,
} from '../../src/observe/log-batch.js';
import { LogSink } from '../../src/observe/log-sink.js';
import { createLogger } from '../../src/observe/logger.js';

interface Options {
  readonly workers: number;
  readonly lines: number;
  readonly pendingBytesMax: number;
  /** `finish`: as a gateway ends. */
  readonly exit: 'drain' | 'sync' | 'finish';
}

type FromWorker =
  | ({ readonly type: 'log' } & SentLines)
  | { readonly type: 'done'; readonly dropped: number };

const STALL_MS = 1000;

if (isMainThread) runPrimary(JSON.parse(process.argv[2] ?? '{}') as Options);
else runWorker(workerData as Parameters<typeof runWorker>[0]);

function runPrimary(options: Options): void {
  const sink = new LogSink();
  const log = createLogger('info', sink, (text) => text);
  const report = { dropped: 0, acknowledged: 0, given: 0, lost: 0, pending: 0, isClean: true };
  const finish = (): void => {
    report.lost = sink.linesLost;
    report.pending = sink.pendingBytes;
    process.stderr.write(JSON.stringify(report));
  };
  const end = (isClean: boolean): void => {
    report.isClean = isClean;
    finish();
    if (!isClean) process.kill(process.pid, 'SIGKILL');
  };
  if (options.exit === 'sync') {
    for (let index = 0; index < options.lines; index += 1) log.info({ worker: 0, index });
    sink.flushSync();
    finish();
    process.exit(0);
  }
  log.info('started');
  let running = options.workers;
  let writing = options.workers;
  for (let index = 1; index <= options.workers; index += 1) {
    const memory = createLogMemory(options.pendingBytesMax);
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { ...options, index, memory },
    });
    worker.on('message', (bytes: Uint8Array) => {
      const message = decodeMessage(bytes) as FromWorker;
      if (message.type === 'done') {
        report.dropped += message.dropped;
        writing -= 1;
        if (writing === 0 && options.exit === 'finish') void sink.finish(STALL_MS).then(end);
        return;
      }
      const size = message.bytes;
      report.given += size;
      sink.writeBatch(viewLines(memory, message), message.lineCount, () => {
        report.acknowledged += size;
        const { bytes: answer, transfer } = encodeMessage({ bytes: size });
        worker.postMessage(answer, transfer);
      });
    });
    worker.on('exit', () => {
      running -= 1;
      if (running > 0) return;
      log.info('stopped');
      if (options.exit === 'drain') void sink.drain().then(finish);
    });
  }
}

function runWorker(
  options: Options & { readonly index: number; readonly memory: SharedArrayBuffer },
): void {
  const port = parentPort;
  if (port === null) return;
  let dropped = 0;
  const send = (message: FromWorker): void => {
    const { bytes, transfer } = encodeMessage(message);
    port.postMessage(bytes, transfer);
  };
  const batch = new LogBatch({
    memory: options.memory,
    send: (lines) => send({ type: 'log', ...lines }),
    countDropped: () => {
      dropped += 1;
    },
  });
  port.on('message', (bytes: Uint8Array) => {
    batch.acknowledge((decodeMessage(bytes) as { bytes: number }).bytes);
    if (isDone && batch.pendingBytes === 0) port.close();
  });
  for (let index = 0; index < options.lines; index += 1) {
    batch.write(
      `${JSON.stringify({ worker: options.index, index, text: 'ö'.repeat(index % 50) })}\n`,
    );
  }
  batch.close();
  const isDone = true;
  send({ type: 'done', dropped });
}

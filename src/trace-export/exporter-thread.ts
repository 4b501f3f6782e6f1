/**
 * The thread that makes spans of records and posts them to the collector, through OpenTelemetry's SDK. Whatever that
 * costs, and however long the collector takes, no exchange runs here.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { BOUNDS } from '../core/bounds.js';
import { decodeMessage } from '../core/wire.js';
import type { TraceRecord } from '../observe/trace-record.js';
import type { ExportSettings, FromExporter, ToExporter } from './messages.js';
import { SpanBuilder } from './span-builder.js';
import { SpanQueue } from './span-queue.js';

const port = parentPort;
if (port === null) {
  throw new Error('exporter-thread.js is started by the primary only');
}

const send = (message: FromExporter): void => port.postMessage(message);

let settings = workerData as ExportSettings;
const queue = new SpanQueue({
  exporter: createExporter(settings),
  onCounts: (counts, problem) => send({ kind: 'counts', counts, problem }),
});
let builder = new SpanBuilder(settings, (span) => queue.push(span));

port.on('message', (message: ToExporter) => {
  switch (message.kind) {
    case 'settings':
      settings = message.settings;
      queue.turnTo(createExporter(settings));
      builder = new SpanBuilder(settings, (span) => queue.push(span));
      break;
    case 'records': {
      const { dropped } = queue.counts;
      for (const record of decodeMessage(message.records) as readonly TraceRecord[])
        builder.build(record);
      send({ kind: 'taken' });
      const { counts } = queue;
      if (counts.dropped > dropped) send({ kind: 'counts', counts, problem: null });
      break;
    }
    case 'close':
      void queue.flush().then(() => port.close());
      break;
  }
});

function createExporter({ traces }: ExportSettings): OTLPTraceExporter {
  return new OTLPTraceExporter({
    url: traces.endpoint,
    headers: Object.fromEntries(traces.headers),
    timeoutMillis: BOUNDS.traceExportTimeoutMs,
    // One at a time is asked for; the exporter still counts the one before when it says that this is done.
    concurrencyLimit: 2,
  });
}

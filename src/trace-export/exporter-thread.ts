/**
 * The thread that makes spans of records and posts them to the collector, through OpenTelemetry's SDK. Whatever that
 * costs, and however long the collector takes, no exchange runs here.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { BOUNDS } from '../core/bounds.js';
import { decodeJson } from '../core/json-wire.js';
import type { TraceRecord } from '../observe/trace-record.js';
import type {
  ExportCounts,
  ExporterStart,
  ExportSettings,
  FromExporter,
  ToExporter,
} from './messages.js';
import { SpanBuilder } from './span-builder.js';
import { SpanQueue } from './span-queue.js';

const port = parentPort;
if (port === null) {
  throw new Error('exporter-thread.js is started by the primary only');
}

const send = (message: FromExporter): void => port.postMessage(message);

/** What spans of one configuration's exchanges go through. */
interface Way {
  /** From this configuration on. */
  readonly generation: number;
  readonly builder: SpanBuilder;
  readonly queue: SpanQueue;
}

/** The oldest first. */
const ways: Way[] = (workerData as ExporterStart).settings.map(openWay);
/** Of those that are over, or are being closed: only their counts matter. */
const former: SpanQueue[] = [];
const closed: Record<keyof ExportCounts, number> = { exported: 0, failed: 0, dropped: 0 };

port.on('message', (message: ToExporter) => {
  switch (message.kind) {
    case 'settings':
      ways.push(openWay(message.settings));
      // Of a configuration before these no exchange runs any more.
      if (ways.length > BOUNDS.generationsMax) void closeOldest();
      break;
    case 'records':
      for (const record of decodeJson(message.records) as readonly TraceRecord[]) {
        findWay(record.generation)?.builder.build(record);
      }
      send({ kind: 'taken', counts: countAll() });
      break;
    case 'close':
      void Promise.all(ways.map(({ queue }) => queue.close())).then(() => port.close());
      break;
  }
});

function openWay(settings: ExportSettings): Way {
  const { traces, generation } = settings;
  const exporter = new OTLPTraceExporter({
    url: traces.endpoint,
    headers: Object.fromEntries(traces.headers),
    timeoutMillis: BOUNDS.traceExportTimeoutMs,
    // One at a time is asked for; the exporter still counts the one before when it says that this is done.
    concurrencyLimit: 2,
  });
  const queue = new SpanQueue({
    exporter,
    queueMax: traces.content ? BOUNDS.traceContentQueueMax : BOUNDS.traceQueueMax,
    exportMax: traces.content ? BOUNDS.traceContentExportMax : BOUNDS.traceExportMax,
    onExported: (problem) => send({ kind: 'exported', counts: countAll(), problem }),
  });
  return { generation, builder: new SpanBuilder(settings, (span) => queue.push(span)), queue };
}

function findWay(generation: number): Way | undefined {
  return ways.findLast((way) => way.generation <= generation) ?? ways[0];
}

async function closeOldest(): Promise<void> {
  const queue = ways.shift()?.queue;
  if (queue === undefined) return;
  former.push(queue);
  await queue.close();
  former.splice(former.indexOf(queue), 1);
  addTo(closed, queue.counts);
}

function countAll(): ExportCounts {
  const sum = { ...closed };
  for (const queue of [...former, ...ways.map((way) => way.queue)]) addTo(sum, queue.counts);
  return sum;
}

function addTo(sum: Record<keyof ExportCounts, number>, counts: ExportCounts): void {
  sum.exported += counts.exported;
  sum.failed += counts.failed;
  sum.dropped += counts.dropped;
}

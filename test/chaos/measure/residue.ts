/** What must be gone when nobody asks anything of a gateway any more, and what must not have happened to it meanwhile. */
import type { Gateway, LogLine } from '../../helpers/gateway.js';
import { sumMetric } from '../../helpers/metrics-text.js';
import { pollUntil } from '../../helpers/poll.js';

const QUIET_MS = 60_000;

const GAUGES = [
  'weir_exchanges_in_flight',
  'weir_connections_open',
  'weir_upstream_connections_open',
  'weir_body_bytes_held',
  'weir_queue_length',
] as const;

/** @returns what is not zero although a minute has passed; empty where all is well. */
export async function waitForQuiet(gateway: Gateway): Promise<string[]> {
  let left: string[] = [];
  const isQuiet = async (): Promise<boolean> => {
    const metrics = await gateway.metrics();
    left = GAUGES.filter((name) => sumMetric(metrics, name) !== 0).map(
      (name) => `${name} ${sumMetric(metrics, name)}`,
    );
    return left.length === 0;
  };
  await pollUntil(isQuiet, QUIET_MS, 'gauges at 0').catch(() => undefined);
  return left;
}

/** @returns how many files and sockets are open more than before; 0 or less where all are closed. */
export async function countFilesLeft(gateway: Gateway, before: number): Promise<number> {
  // Asking for the gauges holds a connection to the admin port open for some seconds.
  const isClosed = (): boolean => gateway.countOpenFiles() <= before;
  await pollUntil(isClosed, QUIET_MS, 'closed files').catch(() => undefined);
  return gateway.countOpenFiles() - before;
}

/** Signs of a crash or a defect: an end, a second start, lines of errors, words that are no log line. */
export function listFaults(gateway: Gateway): string[] {
  const tell = (line: LogLine): string => JSON.stringify(line);
  const starts = gateway.logs.filter(({ msg }) => msg === 'ready');
  return [
    ...(gateway.exit === null ? [] : [`it ended: ${JSON.stringify(gateway.exit)}`]),
    ...starts.slice(1).map((line) => `it was started again: ${tell(line)}`),
    ...gateway.logs.filter(({ level }) => level === 'error' || level === 'fatal').map(tell),
    ...gateway.strayLines,
    ...(gateway.stderr === '' ? [] : [gateway.stderr.slice(0, 2000)]),
  ];
}

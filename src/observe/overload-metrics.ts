/** The part of the exposition that tells of overload. Labels come from fixed lists and the number of workers. */
import { CLOSE_REASONS, PRIORITIES, REFUSAL_REASONS, type Readings } from '../overload/readings.js';

export interface OverloadFigure {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

export type OverloadSample = Readonly<Record<OverloadFigureName, readonly OverloadFigure[]>>;

type OverloadFigureName = 'refused' | 'closed' | 'lag' | 'level' | 'limit' | 'heap';

/** Name, type and meaning of each figure. */
export const OVERLOAD_METRICS: readonly (readonly [
  name: string,
  type: 'gauge' | 'counter',
  figure: OverloadFigureName,
  help: string,
])[] = [
  [
    'weir_overload_refused_total',
    'counter',
    'refused',
    'Exchanges refused because the gateway had too much to do, by what there was too little of.',
  ],
  [
    'weir_connections_refused_total',
    'counter',
    'closed',
    'Connections from clients that were closed as soon as they were there.',
  ],
  ['weir_loop_lag_seconds', 'gauge', 'lag', 'How long one round of a worker’s event loop takes.'],
  [
    'weir_overload_level',
    'gauge',
    'level',
    'Whom a worker refuses for lack of memory or descriptors: 0 nobody, 1 low, 2 normal too, 3 all.',
  ],
  [
    'weir_overload_exchanges_max',
    'gauge',
    'limit',
    'Exchanges that a worker runs at a time because its loop is late; +Inf while it is not.',
  ],
  ['weir_heap_used_ratio', 'gauge', 'heap', 'Of what V8 may use in a worker, how much it does.'],
];

export function sampleOverload(readings: Readings, workers: number): OverloadSample {
  const indexes = Array.from({ length: workers }, (_, worker) => worker);
  const sum = (read: (worker: number) => number): number =>
    indexes.reduce((total, worker) => total + read(worker), 0);
  const perWorker = (read: (worker: number) => number): OverloadFigure[] =>
    indexes.map((worker) => ({ labels: { worker }, value: read(worker) }));
  return {
    refused: REFUSAL_REASONS.flatMap((reason, reasonIndex) =>
      PRIORITIES.map((priority, priorityIndex) => ({
        labels: { reason, priority },
        value: sum((worker) => readings.readRefused(worker, reasonIndex, priorityIndex)),
      })),
    ),
    closed: CLOSE_REASONS.map((reason, index) => ({
      labels: { reason },
      value: sum((worker) => readings.readClosed(worker, index)),
    })),
    lag: perWorker((worker) => readings.readWorker(worker).lagMs / 1000),
    level: perWorker((worker) => readings.readWorker(worker).level),
    limit: perWorker((worker) => readings.readWorker(worker).limit || Number.POSITIVE_INFINITY),
    heap: perWorker((worker) => readings.readWorker(worker).heapPercent / 100),
  };
}

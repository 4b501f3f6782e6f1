/** The traces' part of the exposition. */

export interface TraceSample {
  readonly exported: number;
  /** Spans that were lost, by the reason. */
  readonly lost: Readonly<Record<TraceLoss, number>>;
}

/**
 * `worker_full`: the exporter did not keep up with a worker; `queue_full`: the collector did not keep up; `export_failed`:
 * the collector did not take them; `exporter_failed`: the exporter's thread ended, or had no time to end well.
 */
export const TRACE_LOSSES = [
  'worker_full',
  'queue_full',
  'export_failed',
  'exporter_failed',
] as const;
export type TraceLoss = (typeof TRACE_LOSSES)[number];

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Name, type, meaning and values of each metric. */
const TRACE_METRICS: readonly (readonly [
  name: string,
  type: 'counter',
  help: string,
  collect: (sample: TraceSample) => readonly Sample[],
])[] = [
  [
    'weir_trace_spans_exported_total',
    'counter',
    'Spans that the collector has taken.',
    ({ exported }) => [{ labels: {}, value: exported }],
  ],
  [
    'weir_trace_spans_lost_total',
    'counter',
    'Spans that were lost on the way to the collector, by the reason.',
    ({ lost }) => TRACE_LOSSES.map((reason) => ({ labels: { reason }, value: lost[reason] })),
  ],
];

/** @param add of the registry. */
export function addTraceMetrics(
  add: (type: 'counter', name: string, help: string, collect: () => readonly Sample[]) => void,
  read: () => TraceSample,
): void {
  for (const [name, type, help, collect] of TRACE_METRICS) {
    add(type, name, help, () => collect(read()));
  }
}

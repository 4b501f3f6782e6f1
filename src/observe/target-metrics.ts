/** The targets' part of the exposition. Labels come from the configuration alone. */

export interface TargetSample {
  readonly model: string;
  readonly provider: string;
  /** 0 closed, 1 half-open, 2 open, 3 drained. */
  readonly state: number;
  readonly ejections: number;
}

/** Two targets of one model may lie at one provider; they have one series: the worst state, all ejections. */
export function mergeTargets(samples: readonly TargetSample[]): TargetSample[] {
  const merged = new Map<string, TargetSample>();
  for (const sample of samples) {
    const key = JSON.stringify([sample.model, sample.provider]);
    const known = merged.get(key);
    merged.set(key, {
      ...sample,
      state: Math.max(sample.state, known?.state ?? 0),
      ejections: sample.ejections + (known?.ejections ?? 0),
    });
  }
  return [...merged.values()];
}

/** Name, type and meaning of each figure of a target. */
export const TARGET_METRICS: readonly (readonly [
  name: string,
  type: 'gauge' | 'counter',
  figure: 'state' | 'ejections',
  help: string,
])[] = [
  [
    'weir_target_state',
    'gauge',
    'state',
    'Whether a target takes requests: 0 closed (it does), 1 half-open, 2 open (ejected), 3 drained.',
  ],
  ['weir_target_ejections_total', 'counter', 'ejections', 'How often a target was ejected.'],
];

/** The reloads' part of the exposition. */

export const RELOAD_OUTCOMES = ['ok', 'refused', 'busy', 'failed'] as const;
export type ReloadOutcome = (typeof RELOAD_OUTCOMES)[number];

export interface ReloadSample {
  /** Of the configuration in force; 1 at the start. */
  readonly generation: number;
  /** Configurations of which exchanges still run, the one in force included. */
  readonly generationsLiving: number;
  /** The start counts as a reload that went well. */
  readonly lastOkWallMs: number;
  readonly counts: Readonly<Record<ReloadOutcome, number>>;
}

/** Of a server that is starting. */
export const NO_RELOADS: ReloadSample = {
  generation: 0,
  generationsLiving: 0,
  lastOkWallMs: 0,
  counts: { ok: 0, refused: 0, busy: 0, failed: 0 },
};

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Name, type, meaning and values of each metric. */
export const RELOAD_METRICS: readonly (readonly [
  name: string,
  type: 'gauge' | 'counter',
  help: string,
  collect: (sample: ReloadSample) => readonly Sample[],
])[] = [
  [
    'weir_config_generation',
    'gauge',
    'Which configuration is in force: 1 at the start, one more with every reload that changed it.',
    ({ generation }) => [{ labels: {}, value: generation }],
  ],
  [
    'weir_config_generations_living',
    'gauge',
    'Configurations of which exchanges still run, the one in force included.',
    ({ generationsLiving }) => [{ labels: {}, value: generationsLiving }],
  ],
  [
    'weir_config_last_reload_success_timestamp_seconds',
    'gauge',
    'When the configuration was last read and found right.',
    ({ lastOkWallMs }) => [{ labels: {}, value: lastOkWallMs / 1000 }],
  ],
  [
    'weir_config_reloads_total',
    'counter',
    'Reloads asked for, by what came of them.',
    ({ counts }) =>
      RELOAD_OUTCOMES.map((result) => ({ labels: { result }, value: counts[result] })),
  ],
];

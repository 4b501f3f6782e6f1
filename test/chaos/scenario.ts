/**
 * What a run of Weir under stress is: fuzz, soak, overload, hand-overs, failing targets. A short form runs in `npm test`;
 * the long one by `npm run endure`, which keeps what it measured in docs/endurance/ and prints docs/endurance.md from it.
 */

export interface ScenarioOptions {
  /** How long the stress lasts, without the start and the end. */
  readonly seconds: number;
  /** Everything that is random comes of it, so that a failure can be had again. */
  readonly seed: number;
  /** Says how far it is; never part of the result. */
  readonly say: (line: string) => void;
}

/** One line of a scenario's table. */
export interface Figure {
  readonly what: string;
  /** With its unit, such as `12 ms` or `0 of 120,431`. */
  readonly measured: string;
  /** What it must not be worse than; empty where it is told for understanding only. */
  readonly bound: string;
  /** null where there is no bound. */
  readonly holds: boolean | null;
}

export interface Outcome {
  readonly figures: readonly Figure[];
  /** Full sentences that explain what the figures alone don't say. */
  readonly notes: readonly string[];
  /** Tables beside the figures, each kept as docs/endurance/<scenario>-<its name>.json. */
  readonly kept?: Readonly<Record<string, unknown>>;
}

export interface Scenario {
  /** Of the file under docs/endurance/ and of `--only`. */
  readonly name: string;
  readonly title: string;
  /** What is done to Weir, in one paragraph. */
  readonly about: string;
  /** How long the long form lasts. */
  readonly longSeconds: number;
  run(options: ScenarioOptions): Promise<Outcome>;
}

/** What is kept of a long run. */
export interface KeptRun extends Omit<Outcome, 'kept'> {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly seconds: number;
  readonly seed: number;
  readonly day: string;
  readonly machine: string;
}

/** A figure that must not be above its bound. */
export function atMost(what: string, value: number, max: number, unit = ''): Figure {
  return {
    what,
    measured: write(value, unit),
    bound: `<= ${write(max, unit)}`,
    holds: value <= max,
  };
}

/** A figure that must not be below its bound. */
export function atLeast(what: string, value: number, min: number, unit = ''): Figure {
  return {
    what,
    measured: write(value, unit),
    bound: `>= ${write(min, unit)}`,
    holds: value >= min,
  };
}

/** A figure that is told without a bound. */
export function told(what: string, measured: string): Figure {
  return { what, measured, bound: '', holds: null };
}

function write(value: number, unit: string): string {
  const digits = Number.isInteger(value) ? 0 : Math.abs(value) < 10 ? 3 : 1;
  const text = value.toLocaleString('en-US', { maximumFractionDigits: digits });
  return unit === '' ? text : `${text} ${unit}`;
}

/** Whether a level rises with time, or only sways. */

export interface Point {
  readonly atMs: number;
  readonly value: number;
}

export interface Slope {
  /** Units of the value an hour. */
  readonly perHour: number;
  /** Half the width of its 95 % confidence interval; Infinity where there are too few points. */
  readonly plusMinus: number;
  readonly points: number;
}

const HOUR_MS = 3_600_000;
/** Of the normal distribution: with dozens of points the t-distribution is nearly that. */
const Z95 = 1.96;

/**
 * Least squares. Neighbouring samples of a heap are alike (it fills until it is collected), so that the residuals are not
 * independent: the interval is widened by their autocorrelation at lag 1, as for an AR(1) process.
 */
export function fitSlope(points: readonly Point[]): Slope {
  const count = points.length;
  if (count < 4) return { perHour: 0, plusMinus: Number.POSITIVE_INFINITY, points: count };
  const meanAt = mean(points.map(({ atMs }) => atMs));
  const meanValue = mean(points.map(({ value }) => value));
  let spread = 0;
  let together = 0;
  for (const { atMs, value } of points) {
    spread += (atMs - meanAt) ** 2;
    together += (atMs - meanAt) * (value - meanValue);
  }
  const slope = spread === 0 ? 0 : together / spread;
  const residuals = points.map(({ atMs, value }) => value - meanValue - slope * (atMs - meanAt));
  const squares = residuals.reduce((sum, residual) => sum + residual ** 2, 0);
  const plain = Math.sqrt(squares / (count - 2) / spread);
  const lag = Math.min(Math.max(correlateNeighbours(residuals, squares), 0), 0.99);
  const widened = plain * Math.sqrt((1 + lag) / (1 - lag));
  const plusMinus = spread === 0 ? Number.POSITIVE_INFINITY : Z95 * widened * HOUR_MS;
  return { perHour: slope * HOUR_MS, plusMinus, points: count };
}

/** Zero lies within the interval, or the whole of what it comes to is not worth a word. */
export function isLevel({ perHour, plusMinus }: Slope, negligiblePerHour: number): boolean {
  return perHour - plusMinus <= 0 || perHour <= negligiblePerHour;
}

/** The last `share` of the time that the points cover. */
export function takeLast(points: readonly Point[], share: number): Point[] {
  const first = points[0]?.atMs ?? 0;
  const last = points.at(-1)?.atMs ?? 0;
  return points.filter(({ atMs }) => atMs >= last - (last - first) * share);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function correlateNeighbours(residuals: readonly number[], squares: number): number {
  if (squares === 0) return 0;
  let sum = 0;
  for (let at = 1; at < residuals.length; at++) {
    sum += (residuals[at] ?? 0) * (residuals[at - 1] ?? 0);
  }
  return sum / squares;
}

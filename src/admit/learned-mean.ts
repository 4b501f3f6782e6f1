/** A mean and a deviation that follow what is seen, the latest most. */

/** The first values weigh as the start does, so that one of them does not decide alone. */
const START_WEIGHT = 4;
/** A value's share once many were seen; about the last hundred count. */
const SHARE_MIN = 1 / 96;
/**
 * A value further from the mean than so many deviations counts as if it were there: one client's odd request must not
 * spoil the estimates of all others. What has really changed is followed all the same, since the deviation grows by
 * every such value.
 */
const OUTLIER_DEVIATIONS = 4;
/** Of the mean, at least: perfectly even values must not make the next one an outlier. */
const DEVIATION_MIN_SHARE = 0.05;

export class LearnedMean {
  mean: number;
  deviation: number;
  seen = 0;
  #variance: number;

  constructor(mean: number, deviation: number) {
    this.mean = mean;
    this.deviation = deviation;
    this.#variance = deviation * deviation;
  }

  /** @param value finite; anything else is left out. */
  add(value: number): void {
    if (!Number.isFinite(value)) {
      return;
    }
    const reach = OUTLIER_DEVIATIONS * this.deviation;
    const step = Math.min(Math.max(value - this.mean, -reach), reach);
    const share = Math.max(1 / (START_WEIGHT + this.seen + 1), SHARE_MIN);
    this.seen += 1;
    this.mean += share * step;
    this.#variance = (1 - share) * (this.#variance + share * step * step);
    this.deviation = Math.max(Math.sqrt(this.#variance), DEVIATION_MIN_SHARE * Math.abs(this.mean));
  }

  /** So many deviations above the mean. */
  above(deviations: number): number {
    return this.mean + deviations * this.deviation;
  }
}

/** The targets that one choice is made among; a worker has one list and fills it anew for each. */
export class Candidates {
  /** Positions in the entry's targets. */
  readonly positions: Int32Array;
  /** Above 0: as configured, times what the target's health leaves of it. */
  readonly weights: Float64Array;
  count = 0;

  constructor(max: number) {
    this.positions = new Int32Array(max);
    this.weights = new Float64Array(max);
  }

  clear(): void {
    this.count = 0;
  }

  add(position: number, weight: number): void {
    this.positions[this.count] = position;
    this.weights[this.count] = weight;
    this.count += 1;
  }
}

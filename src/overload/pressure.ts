/**
 * How near something is to its end, in steps: memory, the heap, descriptors. Each step refuses one priority more. It is
 * left again only when the reading is clearly below it, so that nobody is let in and refused in turns.
 */

/** 0: nobody is refused; 1: low; 2: low and normal; 3: all. From 2 on connections are closed after their answer. */
export type PressureLevel = 0 | 1 | 2 | 3;

/** From the configured share to 100 % in three steps of the same height: of 90 that is 90, 93.3 and 96.7. */
const STEPS = 3;
/** Points of a hundred below a step at which it is left. */
const HYSTERESIS = 2;

export class Pressure {
  readonly #firstStep: number;
  #level: PressureLevel = 0;
  #percent = 0;

  /** @param percent of the whole, 1 to 100, from which on the least important are refused. */
  constructor(percent: number) {
    this.#firstStep = percent;
  }

  get level(): PressureLevel {
    return this.#level;
  }

  /** The last reading, of 100. */
  get percent(): number {
    return this.#percent;
  }

  /** @param whole what there is; 0 where nobody knows, and then there is no pressure. */
  read(used: number, whole: number): void {
    this.#percent = whole > 0 ? (used / whole) * 100 : 0;
    let level = this.#level;
    while (level < STEPS && this.#percent >= this.#stepOf(level + 1)) {
      level = (level + 1) as PressureLevel;
    }
    while (level > 0 && this.#percent < this.#stepOf(level) - HYSTERESIS) {
      level = (level - 1) as PressureLevel;
    }
    this.#level = level;
  }

  #stepOf(level: number): number {
    return this.#firstStep + ((level - 1) * (100 - this.#firstStep)) / STEPS;
  }
}

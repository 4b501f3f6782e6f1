/** The 64 bits of a target's state, apart and together; see layout.ts for what they mean. */
import type { BreakerState, Reason } from './breaker.js';

const STATE_MASK = 0x3;
export const DRAINED = 0x4;
/** Of the lower word: 0 where a target is closed and not drained, the one thing that hot code asks. */
export const UNFIT_MASK = STATE_MASK | DRAINED;
const REASON_AT = 3;
const REASON_MASK = 0x7;
const EJECTIONS_AT = 6;
const TURN_AT = 11;
const FIVE_BITS = 0x1f;
const MOMENT_AT = 16;
const MOMENT_LOW_RANGE = 65_536;

/** After the last turn comes the first again: by then nobody remembers that one. */
export const TURNS = 32;

const cells = new BigInt64Array(1);
const words = new Uint32Array(cells.buffer);

/** @param low the lower word of the state. */
export function stateOf(low: number): BreakerState {
  return (low & STATE_MASK) as BreakerState;
}

export function turnOf(low: number): number {
  return (low >>> TURN_AT) & FIVE_BITS;
}

/** Written over with every look, so that looking makes no garbage. */
export class StateWord {
  state: BreakerState = 0;
  isDrained = false;
  reason: Reason = 0;
  ejections = 0;
  turn = 0;
  /** Whole milliseconds since the table's epoch. */
  momentMs = 0;

  unpack(bits: bigint): void {
    cells[0] = bits;
    this.#take();
  }

  /** A plain load, which makes no BigInt: for whoever only looks. */
  read(from: BigInt64Array, cell: number): void {
    cells[0] = from[cell]!;
    this.#take();
  }

  #take(): void {
    const low = words[0]!;
    this.state = stateOf(low);
    this.isDrained = (low & DRAINED) !== 0;
    this.reason = ((low >>> REASON_AT) & REASON_MASK) as Reason;
    this.ejections = (low >>> EJECTIONS_AT) & FIVE_BITS;
    this.turn = turnOf(low);
    this.momentMs = words[1]! * MOMENT_LOW_RANGE + (low >>> MOMENT_AT);
  }

  pack(): bigint {
    const momentMs = Math.ceil(this.momentMs);
    words[0] =
      this.state |
      (this.isDrained ? DRAINED : 0) |
      (this.reason << REASON_AT) |
      (this.ejections << EJECTIONS_AT) |
      (this.turn << TURN_AT) |
      ((momentMs % MOMENT_LOW_RANGE) << MOMENT_AT);
    words[1] = Math.floor(momentMs / MOMENT_LOW_RANGE);
    return cells[0]!;
  }
}

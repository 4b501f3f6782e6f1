/** What clients met with in one phase of a run; nothing is thrown, all is counted. */

export interface Complaint {
  readonly id: string;
  readonly what: string;
}

const COMPLAINTS_KEPT = 20;

export class Tally {
  readonly label: string;
  asked = 0;
  /** Whole, and to the byte what the id says. */
  whole = 0;
  /** An error in the dialect's shape, before anything of an answer. */
  errors = 0;
  readonly errorsByStatus = new Map<number, number>();
  /** Broken off after it had begun, and seen to be so. */
  cut = 0;
  /** Answered after its deadline. */
  late = 0;
  lateMsMax = 0;
  /** No answer at all; a connection that closed instead. */
  lost = 0;
  /** Other bytes than its own: of another request, twice, or of no known shape. */
  wrong = 0;
  /** Calls to targets that the answers tell of, beyond the first of each. */
  extraAttempts = 0;
  /** Of whole answers, from the request's last byte to the answer's first. */
  readonly firstByteMs: number[] = [];
  /** Of those among them that needed more than one attempt, and of those that needed but one. */
  readonly metMs: number[] = [];
  readonly unmetMs: number[] = [];
  readonly complaints: Complaint[] = [];

  constructor(label: string) {
    this.label = label;
  }

  noteError(status: number): void {
    this.errors += 1;
    this.errorsByStatus.set(status, (this.errorsByStatus.get(status) ?? 0) + 1);
  }

  complain(kind: 'lost' | 'wrong', id: string, what: string): void {
    this[kind] += 1;
    if (this.complaints.length < COMPLAINTS_KEPT) this.complaints.push({ id, what });
  }
}

/** Over several phases. */
export function addUp(tallies: readonly Tally[], count: (tally: Tally) => number): number {
  return tallies.reduce((sum, tally) => sum + count(tally), 0);
}

/** @returns NaN of nothing. */
export function percentile(values: readonly number[], percent: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0;
}

/** By status, such as `503: 12`. */
export function tellErrors(tallies: readonly Tally[]): string {
  const sums = new Map<number, number>();
  for (const { errorsByStatus } of tallies) {
    for (const [status, count] of errorsByStatus) sums.set(status, (sums.get(status) ?? 0) + count);
  }
  const parts = [...sums].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
}

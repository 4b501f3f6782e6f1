/** Why a value in the configuration is refused; `problems.ts` makes a sentence of it. */
export class Refusal {
  /** Completes "expected …". */
  readonly expected: string;
  /** A whole sentence instead of "expected …; got …", where the kind of the value is right. */
  readonly reason: string | null;
  /** Names that may have been meant. */
  readonly candidates: readonly string[];
  /** The value must not be printed. */
  readonly isSecret: boolean;
  /** Only the value's type is wrong, and only that is worth printing. */
  readonly isTyped: boolean;

  constructor(
    expected: string,
    detail: {
      readonly reason?: string;
      readonly candidates?: readonly string[];
      readonly isSecret?: boolean;
      readonly isTyped?: boolean;
    } = {},
  ) {
    this.expected = expected;
    this.reason = detail.reason ?? null;
    this.candidates = detail.candidates ?? [];
    this.isSecret = detail.isSecret ?? false;
    this.isTyped = detail.isTyped ?? false;
  }
}

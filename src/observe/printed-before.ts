/**
 * Parts of a line that are nearly always what they were in the last line about the same consumer, or the same provider.
 * Kept whole, they are one piece of the line and not a dozen.
 */
import type { AccessRecord } from './access-line.js';

/** Names; beyond it all is forgotten, so that a client that makes up new ones only costs the others a little. */
const KEPT_MAX = 512;
/** Records with longer texts are not worth their memory. */
const TEXT_CHARS_MAX = 256;

export interface Printed {
  readonly text: string;
  readonly isAscii: boolean;
}

interface Kept {
  readonly record: AccessRecord;
  readonly printed: Printed;
}

export class PrintedBefore {
  readonly #print: (record: AccessRecord) => string;
  readonly #isSame: (one: AccessRecord, other: AccessRecord) => boolean;
  readonly #kept = new Map<string | null, Kept>();

  /** @param isSame whether the same is printed of both. */
  constructor(
    print: (record: AccessRecord) => string,
    isSame: (one: AccessRecord, other: AccessRecord) => boolean,
  ) {
    this.#print = print;
    this.#isSame = isSame;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** @param name by which records that are alike are told from others. */
  print(name: string | null, record: AccessRecord): Printed {
    const kept = this.#kept.get(name);
    if (kept !== undefined && this.#isSame(kept.record, record)) {
      return kept.printed;
    }
    const bytes = Buffer.from(this.#print(record));
    // Read back, because V8 has it as a tree of its pieces, which each line would walk over again.
    const text = bytes.toString();
    const printed = { text, isAscii: text.length === bytes.length };
    if (isShort(record)) {
      if (kept === undefined && this.#kept.size >= KEPT_MAX) this.#kept.clear();
      this.#kept.set(name, { record, printed });
    }
    return printed;
  }
}

function isShort({ path, model, targetModel }: AccessRecord): boolean {
  return (
    path.length <= TEXT_CHARS_MAX &&
    (model === null || model.length <= TEXT_CHARS_MAX) &&
    (targetModel === null || targetModel.length <= TEXT_CHARS_MAX)
  );
}

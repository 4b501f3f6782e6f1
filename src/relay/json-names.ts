/** The names in providers' answers that a walk knows. */

/** A plain object of numbers: a walk compares them for every string it meets. */
export const NAME = {
  OTHER: 0,
  USAGE: 1,
  USAGE_METADATA: 2,
  RESPONSE: 3,
  MESSAGE: 4,
  X_GROQ: 5,
  INTERACTION: 6,
  CHOICES: 7,
  CANDIDATES: 8,
  OUTPUT: 9,
  DELTA: 10,
  CONTENT: 11,
  TEXT: 12,
} as const;

interface Known {
  readonly bytes: Buffer;
  readonly name: number;
}

const KNOWN: readonly (readonly [string, number])[] = [
  ['usage', NAME.USAGE],
  ['usageMetadata', NAME.USAGE_METADATA],
  ['response', NAME.RESPONSE],
  ['message', NAME.MESSAGE],
  ['x_groq', NAME.X_GROQ],
  ['interaction', NAME.INTERACTION],
  ['choices', NAME.CHOICES],
  ['candidates', NAME.CANDIDATES],
  ['output', NAME.OUTPUT],
  ['delta', NAME.DELTA],
  ['content', NAME.CONTENT],
  ['text', NAME.TEXT],
  ['thinking', NAME.TEXT],
  ['reasoning', NAME.TEXT],
  ['reasoning_content', NAME.TEXT],
  ['arguments', NAME.TEXT],
  ['partial_json', NAME.TEXT],
  ['refusal', NAME.TEXT],
];

/** One more than the longest name, so that a longer one that is cut off here is none of them. */
export const NAME_BYTES_MAX = Math.max(...KNOWN.map(([text]) => text.length)) + 1;

const BY_LENGTH: readonly (readonly Known[])[] = Array.from(
  { length: NAME_BYTES_MAX },
  (_, length) =>
    KNOWN.filter(([text]) => text.length === length).map(([text, name]) => ({
      bytes: Buffer.from(text, 'latin1'),
      name,
    })),
);

/** Which name stands in the range. */
export function matchName(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length >= NAME_BYTES_MAX) return NAME.OTHER;
  const candidates = BY_LENGTH[length] as readonly Known[];
  for (let i = 0; i < candidates.length; i += 1) {
    const { bytes: wanted, name } = candidates[i] as Known;
    let matched = 0;
    while (matched < length && bytes[start + matched] === wanted[matched]) matched += 1;
    if (matched === length) return name;
  }
  return NAME.OTHER;
}

export function isUsageName(name: number): boolean {
  return name === NAME.USAGE || name === NAME.USAGE_METADATA;
}

/** At the top of a document, an object that may hold the usage. */
export function isUsageHolder(name: number): boolean {
  return name >= NAME.RESPONSE && name <= NAME.INTERACTION;
}

/** At the top of a document, what holds the text that a model made. */
export function isTextHolder(name: number): boolean {
  return name >= NAME.CHOICES && name <= NAME.CONTENT;
}

export function isTextName(name: number): boolean {
  return name >= NAME.DELTA;
}

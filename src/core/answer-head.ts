/**
 * The head of an answer as uWebSockets.js is given it: one text, in one call into native code, where a call for each
 * header would cost more than everything else about the head. Nothing native checks it for line breaks (U-15), so
 * whatever makes one must have.
 */
export interface AnswerHead {
  /** Such as `200 OK`. */
  readonly status: string;
  /** Header lines, each with its CR LF, in Latin-1; neither framing headers nor `date`. */
  readonly lines: string;
  /** More of them, as bytes that are only lent until the head is written; null for none. */
  readonly moreLines: Uint8Array | null;
}

const FIELD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [\t\x20-\x7e]*$/;

/** @throws Error when a name or value is not plain text: a defect of the caller's. */
export function createHead(status: string, headers: readonly string[]): AnswerHead {
  let lines = '';
  for (let i = 0; i < headers.length; i += 2) {
    const field = `${headers[i]}: ${headers[i + 1]}`;
    if (!FIELD.test(field)) {
      throw new Error(`header ${JSON.stringify(headers[i])} can’t be sent`);
    }
    lines += `${field}\r\n`;
  }
  return { status, lines, moreLines: null };
}

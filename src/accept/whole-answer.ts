/** Gives uWebSockets.js heads, and whole answers in one cork, hence in one send. For accept/downstream.ts alone. */
import type { HttpResponse } from 'uWebSockets.js';
import type { AnswerHead } from '../core/answer-head.js';

export function writeAnswer(
  response: HttpResponse,
  head: AnswerHead,
  body: string | Uint8Array,
  closes: boolean,
): void {
  corked.response = response;
  corked.head = head;
  corked.body = body;
  corked.closes = closes;
  response.cork(fillWithAnswer);
}

/** @param reportedBytes its content-length, or null for none. */
export function writeBodilessAnswer(
  response: HttpResponse,
  head: AnswerHead,
  reportedBytes: number | null,
): void {
  corked.response = response;
  corked.head = head;
  corked.reportedBytes = reportedBytes;
  response.cork(fillWithHead);
}

/**
 * What the next cork is filled with. cork() calls back before it returns, so one of these serves all answers and spares
 * each a function of its own. It is emptied first, so that nothing is kept alive.
 */
const corked: {
  response: HttpResponse | null;
  head: AnswerHead | null;
  body: string | Uint8Array;
  closes: boolean;
  reportedBytes: number | null;
} = { response: null, head: null, body: '', closes: false, reportedBytes: null };

function fillWithAnswer(): void {
  const { response, head, body, closes } = corked;
  corked.response = null;
  corked.head = null;
  corked.body = '';
  if (response !== null && head !== null) {
    writeHead(response, head);
    response.end(body as string, closes);
  }
}

function fillWithHead(): void {
  const { response, head, reportedBytes } = corked;
  corked.response = null;
  corked.head = null;
  if (response !== null && head !== null) {
    writeHead(response, head);
    if (reportedBytes !== null) {
      response.writeHeader('content-length', String(reportedBytes));
    }
    // With a length as its argument it would leave the response pending on older binaries.
    response.endWithoutBody();
  }
}

const LINE_END_BYTES = 2;
const NOTHING = new Uint8Array(0);

/**
 * writeStatus is given the whole head; it writes what it is given and a line end.
 *
 * As bytes, not as a text: that would be measured and encoded as UTF-8, which takes longer and makes two bytes of one
 * beyond ASCII. They are lent for the call.
 *
 * @returns the head's length.
 */
export function writeHead(response: HttpResponse, head: AnswerHead): number {
  const { moreLines } = head;
  const text = `${head.status}\r\n${head.lines}`;
  const bytes = text.length + (moreLines === null ? 0 : moreLines.length);
  const length = bytes - LINE_END_BYTES;
  if (bytes > HEAD_BYTES) {
    const whole = Buffer.concat([Buffer.from(text, 'latin1'), moreLines ?? NOTHING]);
    response.writeStatus(whole.subarray(0, length));
    return length;
  }
  headBytes.write(text, 0, 'latin1');
  if (moreLines !== null) {
    headBytes.set(moreLines, text.length);
  }
  let view = headViews[length];
  if (view === undefined) {
    view = headBytes.subarray(0, length);
    headViews[length] = view;
  }
  response.writeStatus(view);
  return length;
}

/** Larger heads are rare enough to have memory of their own. */
const HEAD_BYTES = 4096;
const headBytes = Buffer.alloc(HEAD_BYTES);
/** Of the buffer's beginning, by length, so that not every answer makes one; as many as it has bytes at most. */
const headViews: (Buffer | undefined)[] = new Array<undefined>(HEAD_BYTES + 1).fill(undefined);

/** Runs src/upstream/response-parser.ts over bytes in given pieces and writes down what it tells. */
import { MalformedResponse, type ResponseHead } from '../../src/upstream/response-head.js';
import { ResponseParser } from '../../src/upstream/response-parser.js';
import { splitAt } from './byte-splits.js';

export interface ParsedAnswer {
  readonly head: ResponseHead;
  body: string;
  isWhole: boolean;
}

export interface ParsedConnection {
  readonly answers: readonly ParsedAnswer[];
  /** The code of the MalformedResponse that ended it. */
  readonly error: string | null;
  /** Bytes behind the last answer. */
  readonly leftoverBytes: number;
}

export interface Conversation {
  /** One an answer: whether it answers HEAD. */
  readonly toHead: readonly boolean[];
  /** The connection ends in order after the bytes. */
  readonly ends?: boolean;
}

/**
 * Each piece is given in the same memory, overwritten after every call, as reads are: whatever the parser
 * keeps without a copy comes out wrong. So does what it reads behind their end.
 */
export function parsePieces(pieces: readonly Buffer[], talk: Conversation): ParsedConnection {
  const answers: ParsedAnswer[] = [];
  const parser = new ResponseParser({
    onParsedHead: (head) => answers.push({ head, body: '', isWhole: false }),
    onParsedData: (bytes) => {
      const answer = answers.at(-1);
      if (answer === undefined || bytes.length === 0) throw new Error('data out of place');
      answer.body += bytes.toString('latin1');
    },
  });
  const left = [...talk.toHead];
  const beginNext = (): void => {
    const toHead = left.shift();
    if (toHead !== undefined) parser.begin(toHead);
  };
  let leftoverBytes = 0;
  beginNext();
  try {
    for (const piece of pieces) {
      const lent = lend(piece);
      for (let at = 0; at < piece.length; ) {
        if (parser.isIdle) {
          leftoverBytes += piece.length - at;
          break;
        }
        at += parser.parse(lent.subarray(at), piece.length - at);
        const answer = answers.at(-1);
        if (parser.isIdle && answer !== undefined) {
          answer.isWhole = true;
          beginNext();
        }
      }
      lent.fill('!');
    }
    const last = answers.at(-1);
    if (talk.ends === true && parser.finish() && last !== undefined) last.isWhole = true;
  } catch (error) {
    if (!(error instanceof MalformedResponse)) throw error;
    return { answers, error: error.code, leftoverBytes };
  }
  return { answers, error: null, leftoverBytes };
}

export function parseSplit(
  bytes: Buffer,
  points: readonly number[],
  talk: Conversation,
): ParsedConnection {
  return parsePieces(splitAt(bytes, points), talk);
}

/** With what an earlier read may have left behind it: ends of lines, of a head and of the last chunk. */
function lend(piece: Buffer): Buffer {
  const isBetween = piece.at(-1) === 0x0d;
  return Buffer.concat([piece, Buffer.from(`${isBetween ? '\n' : ''}\r\n\r\n0\r\n\r\n`)]);
}

/** Each byte by itself. */
export function parseBytewise(bytes: Buffer, talk: Conversation): ParsedConnection {
  return parsePieces(
    Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)),
    talk,
  );
}

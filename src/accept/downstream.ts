/**
 * Owns every call on uWebSockets.js's HttpResponse. After the client is gone or the answer is finished any
 * such call throws (uNetworking/uWebSockets.js#123), so each method here asks `isOpen` first: P-03.
 *
 * One head, then a body: with a length, in chunks, or none. Everything written in one turn goes out in one cork, hence
 * in one send. A head goes out only with the first byte of the body (docs/decisions/0003).
 */
import type { HttpResponse } from 'uWebSockets.js';
import { Buffer } from 'node:buffer'; // As a global it is an accessor, which V8 asks each time.
import type { AnswerHead } from '../core/answer-head.js';
import { writeAnswer, writeBodilessAnswer, writeHead } from './whole-answer.js';

/** What the owner of a Downstream is told. */
export interface DownstreamObserver {
  /** The client is gone; no method of the Downstream does anything any more. Called at most once. */
  onDownstreamGone(): void;
  /** The client has taken what was held back. Called after a write returned false. */
  onDownstreamWritable(): void;
}

/** Takes in a request's body. */
export interface BodyReader {
  /** A chunk is borrowed: its memory is gone when this returns (U-4). A request without a body gets one that is empty. */
  onBodyChunk(chunk: Buffer, isLast: boolean): void;
}

export class Downstream {
  /** Both written by the listener: the connection ends with this answer; it lacks a certificate that was asked for. */
  endsConnection = false;
  lacksCertificate = false;
  #response: HttpResponse;
  #observer: DownstreamObserver | null = null;
  #isOpen = true;
  #hasWritableHandler = false;
  #isReadingPaused = false;
  /** The client is behind: what comes is offered in small slices, and what is not taken is held. */
  #isCongested = false;
  /** Pieces that wait for the client; a turn's worth of reads at most, because the caller pauses. */
  #held: Uint8Array[] = [];
  /** The content-length of a body that is sent in pieces; -1 in chunked framing. */
  #bodyBytesTotal = -1;
  #bodyBytesTaken = 0;

  /** Must be the first statement of the handler: a throw before onAborted ends the process (U-1). */
  constructor(response: HttpResponse) {
    this.#response = response;
    response.onAborted(() => {
      this.#isOpen = false;
      this.#held = NOTHING;
      try {
        this.#observer?.onDownstreamGone();
      } catch (error) {
        throwOutside(error);
      }
    });
  }

  observe(observer: DownstreamObserver): void {
    this.#observer = observer;
  }

  /** False once the answer is finished or the client is gone. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Delivers the request's body. */
  readBody(reader: BodyReader): void {
    if (this.#isOpen) {
      this.#response.onData((chunk, isLast) => {
        if (this.#isOpen) {
          try {
            // A view, not a copy.
            reader.onBodyChunk(Buffer.from(chunk), isLast);
          } catch (error) {
            throwOutside(error);
          }
        }
      });
    }
  }

  /**
   * While reading is paused uWebSockets.js sees neither FIN nor RST of the client, so a pause must be short
   * or be interrupted now and then.
   */
  pauseReading(): void {
    if (this.#isOpen) {
      this.#isReadingPaused = true;
      this.#response.pause();
    }
  }

  resumeReading(): void {
    if (this.#isOpen) {
      this.#isReadingPaused = false;
      this.#response.resume();
    }
  }

  /**
   * Before an answer ends: afterwards nothing can be called any more, and a connection that is paused then would never
   * be read again, neither the rest of an upload nor the next request nor the client's leaving.
   */
  #readOn(): void {
    if (this.#isReadingPaused) {
      this.resumeReading();
    }
  }

  /** The whole answer at once. `closes` ends the connection after it. */
  answer(head: AnswerHead, body: string | Uint8Array, closes: boolean): void {
    if (!this.#isOpen) {
      return;
    }
    this.#readOn();
    this.#isOpen = false;
    writeAnswer(this.#response, head, body, closes);
  }

  /**
   * The whole answer at once, and the end of the connection, out of the handler's stack: in it uWebSockets.js would go on
   * and run what follows in the same packet as a request of its own. While the answer is owed it closes instead.
   */
  answerAndClose(head: AnswerHead, body: string | Uint8Array): void {
    setImmediate(() => this.answer(head, body, true));
  }

  /** An answer without a body; `reportedBytes` is its content-length (HEAD, 304), or null for none (204). */
  answerWithoutBody(head: AnswerHead, reportedBytes: number | null): void {
    if (!this.#isOpen) {
      return;
    }
    this.#readOn();
    this.#isOpen = false;
    writeBodilessAnswer(this.#response, head, reportedBytes);
  }

  /**
   * Sends the pieces of a body, before the first of them the head. The pieces are not needed any more when it returns.
   *
   * @param head the head, in the call that begins the answer; null afterwards.
   * @param bodyBytesTotal the content-length, or -1 for chunked framing; the same in every call.
   * @param isLast the answer is complete with these pieces. A body with a length completes by itself.
   * @returns false when the client is behind: wait for onDownstreamWritable, then call again, with no pieces if
   *   there are none, until the answer is finished (isOpen is false).
   */
  send(
    head: AnswerHead | null,
    pieces: readonly Uint8Array[],
    bodyBytesTotal: number,
    isLast: boolean,
  ): boolean {
    if (!this.#isOpen) {
      return false;
    }
    this.#bodyBytesTotal = bodyBytesTotal;
    if (this.#held.length > 0) {
      this.#held.push(...pieces.map(keep));
    } else if (bodyBytesTotal < 0) {
      this.#sendChunks(head, pieces, isLast);
    } else {
      this.#sendOfLength(head, pieces);
    }
    if (this.#isOpen && this.#isCongested) {
      this.#awaitWritable();
      return false;
    }
    return true;
  }

  /**
   * Cuts the connection, so that an unfinished answer can't be taken for a whole one. The observer is not told.
   */
  cut(): void {
    if (this.#isOpen) {
      this.#isOpen = false;
      this.#observer = null;
      this.#held = NOTHING;
      this.#response.close();
    }
  }

  /**
   * Gives pieces to uWebSockets.js until the client is behind; the rest is held. A cork is never given more than it has
   * room for: it would be sent first, and when the kernel does not take it whole, older binaries throw away the chunk
   * that did not fit while its size has gone out already.
   *
   * write() buffers without bound whatever it is given and only says so (U-5, U-6). So once the client is behind,
   * slices are offered that are smaller than what one writable event drains, and the buffer can't grow.
   */
  #sendChunks(head: AnswerHead | null, pieces: readonly Uint8Array[], isLast: boolean): void {
    corked.head = head;
    corked.isLast = isLast;
    corked.index = 0;
    corked.from = 0;
    do {
      this.#cork(pieces);
    } while (corked.isTaken && corked.index < pieces.length);
    this.#held = corked.isTaken ? NOTHING : this.#keepRest(pieces, corked.index, corked.from);
  }

  #cork(pieces: readonly Uint8Array[]): void {
    corked.downstream = this;
    corked.pieces = pieces;
    this.#response.cork(Downstream.#fillCork);
    corked.downstream = null;
    corked.pieces = NOTHING;
    corked.head = null;
  }

  static readonly #fillCork = (): void => {
    const { downstream } = corked;
    if (downstream !== null) {
      downstream.#bodyBytesTotal < 0 ? downstream.#writeChunks() : downstream.#writeOfLength();
    }
  };

  /** As much of the corked pieces as there is room for; `corked` is told how far it came. */
  #writeChunks(): void {
    const response = this.#response;
    const { head, pieces, isLast } = corked;
    let { index, from } = corked;
    let isTaken = true;
    let room = CORK_BYTES;
    if (head !== null) {
      room -= writeHead(response, head);
    }
    while (isTaken && index < pieces.length) {
      const piece = pieces[index] as Uint8Array;
      const bytesMax = this.#isCongested ? Math.min(SLICE_BYTES, room) : room;
      if (bytesMax <= 0) {
        break;
      }
      const end = Math.min(piece.length, from + bytesMax);
      const isWhole = from === 0 && end === piece.length;
      const slice = isWhole ? piece : piece.subarray(from, end);
      // An empty one is only the mark that a piece has gone before: whether it is through, the next will tell.
      isTaken = slice.length === 0 || response.write(slice as Uint8Array<ArrayBuffer>);
      room -= slice.length + CHUNK_FRAME_BYTES;
      from = end;
      if (from === piece.length) {
        this.#isCongested = this.#isCongested && (!isTaken || piece.length === 0);
        index += 1;
        from = 0;
      }
    }
    if (isTaken && index === pieces.length && isLast) {
      this.#readOn();
      this.#isOpen = false;
      // Never end(…, true) here: in chunked framing uWebSockets.js would write "Connection: close" into the body.
      response.end();
    }
    corked.index = index;
    corked.from = from;
    corked.isTaken = isTaken;
  }

  /** What is left of pieces that the client is behind with; never empty, so that it is known to be behind. */
  #keepRest(pieces: readonly Uint8Array[], index: number, from: number): Uint8Array[] {
    this.#isCongested = true;
    if (index === pieces.length) {
      return [EMPTY];
    }
    return [(pieces[index] as Uint8Array).subarray(from), ...pieces.slice(index + 1)].map(keep);
  }

  #sendOfLength(head: AnswerHead | null, pieces: readonly Uint8Array[]): void {
    corked.head = head;
    this.#cork(pieces);
  }

  #writeOfLength(): void {
    const { head, pieces } = corked;
    if (head !== null) {
      writeHead(this.#response, head);
    }
    for (let i = 0; i < pieces.length; i += 1) {
      const rest = this.#offerOfLength(pieces[i] as Uint8Array);
      if (rest !== null) {
        this.#isCongested = true;
        this.#held = [rest, ...pieces.slice(i + 1)].map(keep);
        return;
      }
    }
    this.#held = NOTHING;
  }

  /** @returns null when the piece went out whole, else its end that must be offered again. */
  #offerOfLength(piece: Uint8Array): Uint8Array | null {
    if (piece.length === 0 && this.#bodyBytesTotal > 0) {
      // Newer binaries take an empty one for the end of the answer, however much of it is still to come.
      return null;
    }
    if (this.#bodyBytesTaken + piece.length >= this.#bodyBytesTotal) {
      this.#readOn();
    }
    const [isTaken, isDone] = this.#response.tryEnd(
      piece as Uint8Array<ArrayBuffer>,
      this.#bodyBytesTotal,
    );
    if (isDone) {
      this.#isOpen = false;
      return null;
    }
    if (isTaken) {
      this.#bodyBytesTaken += piece.length;
      this.#isCongested = false;
      return null;
    }
    const offset = this.#response.getWriteOffset();
    const rest = piece.subarray(offset - this.#bodyBytesTaken);
    this.#bodyBytesTaken = offset;
    // To offer nothing would end the answer.
    return rest.length === 0 ? null : rest;
  }

  #awaitWritable(): void {
    if (this.#hasWritableHandler) {
      return;
    }
    this.#hasWritableHandler = true;
    this.#response.onWritable(() => {
      this.#drain();
      return true;
    });
  }

  #drain(): void {
    if (!this.#isOpen) {
      return;
    }
    // uWebSockets.js sends nothing of its own buffer while a handler is set; the end of a cork makes it do so.
    if (this.#bodyBytesTotal < 0) {
      this.#sendChunks(null, this.#held, false);
    } else {
      this.#sendOfLength(null, this.#held);
    }
    if (this.#held.length === 0) {
      // What uWebSockets.js still holds is less than a slice, or the next piece will find it congested.
      this.#isCongested = this.#isCongested && this.#bodyBytesTotal < 0;
      try {
        this.#observer?.onDownstreamWritable();
      } catch (error) {
        throwOutside(error);
      }
    }
  }
}

/**
 * What is thrown in a callback of uWebSockets.js must not reach native code, which can't say whose it was (U-1). Thrown
 * again outside, it ends up where the worker's other defects do.
 */
function throwOutside(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** What is held outlives the call; the caller's memory need not. */
function keep(piece: Uint8Array): Uint8Array {
  return piece.length === 0 ? EMPTY : Uint8Array.from(piece);
}

const EMPTY = Buffer.alloc(0);
const NOTHING: Uint8Array[] = [];

/**
 * What the next cork is filled with. cork() calls back before it returns, so one of these serves all answers and spares
 * each call a function of its own. Nothing is left in it that would be kept alive.
 */
const corked: {
  downstream: Downstream | null;
  head: AnswerHead | null;
  pieces: readonly Uint8Array[];
  isLast: boolean;
  /** Of the pieces: the first that is still to be written, and where in it. */
  index: number;
  from: number;
  isTaken: boolean;
} = {
  downstream: null,
  head: null,
  pieces: NOTHING,
  isLast: false,
  index: 0,
  from: 0,
  isTaken: true,
};

/** Below a third of the smallest send buffer that Linux gives a socket, which is what one writable event drains. */
const SLICE_BYTES = 4096;

/** uWebSockets.js corks 16 KB; the rest is room for the headers that it writes itself and for the end of a body. */
const CORK_BYTES = 16_000;
/** Around each chunk: its size in hexadecimal and two line ends. */
const CHUNK_FRAME_BYTES = 8;

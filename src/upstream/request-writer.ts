/**
 * Writes requests to one socket, each with one system call: head and body are put together in memory that all sockets of
 * the thread share (request-slabs.ts).
 *
 * They are handed to the socket's own `_write`, below Node's queue for writes, which costs as much as the rest of a
 * write: states of a stream, and a turn of the queue of `nextTick`. What that queue is for, order and backpressure, is
 * not needed here: a connection carries one request at a time, and libuv keeps the order of what is written to a socket.
 * Whatever follows, such as an upload, goes through the stream.
 */
import type { Socket } from 'node:net';
import { countBytes } from './engine.js';
import type { KeptBody } from './kept-bodies.js';
import { findSlab, type Slab } from './request-slabs.js';

export class RequestWriter {
  readonly #socket: Socket;
  /** What the socket still reads from: one of them. */
  #pending: Slab | null = null;
  #pendingPlace: KeptBody | null = null;
  /** Where the request stands that may have to be sent again. */
  #held: Slab | null = null;
  #heldGeneration = 0;
  #heldPlace: KeptBody | null = null;
  #bodyStart = 0;
  #bodyEnd = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Something that was written has not reached the kernel yet. */
  get isBusy(): boolean {
    return this.#pending !== null || this.#pendingPlace !== null || this.#socket.writableLength > 0;
  }

  /**
   * Must not be called while it is busy. The pieces are not needed any more when it returns.
   * @param opening what comes before the pieces, and `closing` what comes after them, in Latin-1.
   * @param keeps whether recallBody() may be asked for the pieces.
   * @param place where they are to be kept for as long as their exchange may need them; filled where they fit.
   */
  write(
    opening: string,
    pieces: readonly Uint8Array[],
    closing: string,
    keeps: boolean,
    place: KeptBody | null,
  ): void {
    this.forget();
    const bytes = opening.length + countBytes(pieces) + closing.length;
    if (place !== null && !place.isFilled && bytes <= place.bytes) {
      this.#writeInPlace(place, opening, pieces, closing, keeps);
      return;
    }
    const slab = findSlab(bytes);
    const start = slab.usedBytes;
    this.#compose(slab.buffer, start, opening, pieces, closing);
    slab.usedBytes = start + bytes;
    slab.pending += 1;
    this.#pending = slab;
    if (keeps && slab.isShared) {
      slab.held += 1;
      this.#held = slab;
      this.#heldGeneration = slab.generation;
    }
    this.#socket._write(slab.buffer.subarray(start, start + bytes), BYTES, this.#onWritten);
  }

  #writeInPlace(
    place: KeptBody,
    opening: string,
    pieces: readonly Uint8Array[],
    closing: string,
    keeps: boolean,
  ): void {
    const end = this.#compose(place.buffer, place.from, opening, pieces, closing);
    place.start = this.#bodyStart;
    place.end = this.#bodyEnd;
    place.isPending = true;
    this.#pendingPlace = place;
    this.#heldPlace = keeps ? place : null;
    this.#socket._write(place.buffer.subarray(place.from, end), BYTES, this.#onWritten);
  }

  /** @returns where it ends. */
  #compose(
    buffer: Buffer,
    start: number,
    opening: string,
    pieces: readonly Uint8Array[],
    closing: string,
  ): number {
    let at = start + buffer.write(opening, start, 'latin1');
    this.#bodyStart = at;
    for (let i = 0; i < pieces.length; i += 1) {
      const piece = pieces[i] as Uint8Array;
      buffer.set(piece, at);
      at += piece.length;
    }
    this.#bodyEnd = at;
    return closing === '' ? at : at + buffer.write(closing, at, 'latin1');
  }

  /** A copy of the body that was written last; null where it was not kept, or not for so long. */
  recallBody(): Buffer | null {
    const slab = this.#held?.generation === this.#heldGeneration ? this.#held : null;
    const from = this.#heldPlace ?? slab;
    return from === null ? null : Buffer.from(from.buffer.subarray(this.#bodyStart, this.#bodyEnd));
  }

  /** What was written last will not be asked for. */
  forget(): void {
    this.#heldPlace = null;
    const slab = this.#held;
    if (slab !== null) {
      this.#held = null;
      if (slab.generation === this.#heldGeneration) {
        slab.held -= 1;
      }
    }
  }

  /** Called before `_write` returns where the kernel took all. */
  readonly #onWritten = (error?: Error | null): void => {
    const place = this.#pendingPlace;
    if (place !== null) {
      this.#pendingPlace = null;
      place.noteRead();
    }
    const slab = this.#pending;
    this.#pending = null;
    if (slab !== null) {
      slab.pending -= 1;
    }
    if (error) {
      this.#socket.destroy(error);
    }
  };
}

/** What Node's streams call the encoding of bytes; its types leave it out. */
const BYTES = 'buffer' as BufferEncoding;

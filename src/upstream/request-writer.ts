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
import type { KeptBody } from '../inspect/kept-bodies.js';
import { countBytes } from './engine.js';
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
   * @param place where the only piece stands; what comes before it is written before it there, if nothing else is sent from
   *   there and it has room. It is kept for at least as long as the exchange may need it.
   */
  write(
    opening: string,
    pieces: readonly Uint8Array[],
    closing: string,
    keeps: boolean,
    place: KeptBody | null,
  ): void {
    this.forget();
    if (place !== null && fits(place, opening, closing)) {
      this.#writeInPlace(place, opening, keeps);
      return;
    }
    const bytes = opening.length + countBytes(pieces) + closing.length;
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

  #writeInPlace(place: KeptBody, opening: string, keeps: boolean): void {
    const { buffer, end } = place;
    const start = place.start - opening.length;
    buffer.write(opening, start, 'latin1');
    this.#bodyStart = place.start;
    this.#bodyEnd = end;
    place.isPending = true;
    this.#pendingPlace = place;
    this.#heldPlace = keeps ? place : null;
    this.#socket._write(buffer.subarray(start, end), BYTES, this.#onWritten);
  }

  #compose(
    buffer: Buffer,
    start: number,
    opening: string,
    pieces: readonly Uint8Array[],
    closing: string,
  ): void {
    let at = start + buffer.write(opening, start, 'latin1');
    this.#bodyStart = at;
    for (let i = 0; i < pieces.length; i += 1) {
      const piece = pieces[i] as Uint8Array;
      buffer.set(piece, at);
      at += piece.length;
    }
    this.#bodyEnd = at;
    if (closing !== '') buffer.write(closing, at, 'latin1');
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

function fits(place: KeptBody, opening: string, closing: string): boolean {
  return closing === '' && !place.isPending && opening.length <= place.start - place.from;
}

/** What Node's streams call the encoding of bytes; its types leave it out. */
const BYTES = 'buffer' as BufferEncoding;

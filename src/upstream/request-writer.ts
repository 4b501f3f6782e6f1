/**
 * Writes requests to one socket, each with one system call: head and body are put together in memory that all sockets of
 * the thread share, because the kernel nearly always takes it whole at once.
 *
 * They are handed to the socket's own `_write`, below Node's queue for writes, which costs as much as the rest of a
 * write: states of a stream, and a turn of the queue of `nextTick`. What that queue is for, order and backpressure, is
 * not needed here: a connection carries one request at a time, and libuv keeps the order of what is written to a socket.
 * Whatever follows, such as an upload, goes through the stream.
 */
import type { Socket } from 'node:net';
import { BOUNDS } from '../core/bounds.js';
import { countBytes } from './engine.js';

/** Most requests fit into the first, nearly all into the second; larger ones have memory of their own. */
const SMALL_BYTES = 64 * 1024;
const LARGE_BYTES = 1024 * 1024;

/** Not in use. TLS, and a kernel that does not take all at once, need theirs for longer than the call. */
const small: Buffer[] = [];
const large: Buffer[] = [];

export class RequestWriter {
  readonly #socket: Socket;
  /** What the socket still reads from. */
  #buffer: Buffer | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Something that was written has not reached the kernel yet. */
  get isBusy(): boolean {
    return this.#buffer !== null || this.#socket.writableLength > 0;
  }

  /**
   * Must not be called while it is busy. The pieces are not needed any more when it returns.
   * @param opening what comes before the pieces, and `closing` what comes after them, in Latin-1.
   */
  write(opening: string, pieces: readonly Uint8Array[], closing: string): void {
    const bytes = opening.length + countBytes(pieces) + closing.length;
    const buffer = takeBuffer(bytes);
    let at = buffer.write(opening, 0, 'latin1');
    for (let i = 0; i < pieces.length; i += 1) {
      const piece = pieces[i] as Uint8Array;
      buffer.set(piece, at);
      at += piece.length;
    }
    if (closing !== '') {
      buffer.write(closing, at, 'latin1');
    }
    this.#buffer = buffer;
    this.#socket._write(buffer.subarray(0, bytes), BYTES, this.#onWritten);
  }

  /** Called before `_write` returns where the kernel took all. */
  readonly #onWritten = (error?: Error | null): void => {
    const buffer = this.#buffer;
    this.#buffer = null;
    if (buffer !== null) {
      keepBuffer(buffer);
    }
    if (error) {
      this.#socket.destroy(error);
    }
  };
}

/** What Node's streams call the encoding of bytes; its types leave it out. */
const BYTES = 'buffer' as BufferEncoding;

function takeBuffer(bytes: number): Buffer {
  if (bytes > LARGE_BYTES) {
    return Buffer.allocUnsafeSlow(bytes);
  }
  return bytes > SMALL_BYTES
    ? (large.pop() ?? Buffer.allocUnsafeSlow(LARGE_BYTES))
    : (small.pop() ?? Buffer.allocUnsafeSlow(SMALL_BYTES));
}

function keepBuffer(buffer: Buffer): void {
  if (buffer.length === SMALL_BYTES && small.length < BOUNDS.smallWriteBuffersMax) {
    small.push(buffer);
  } else if (buffer.length === LARGE_BYTES && large.length < BOUNDS.largeWriteBuffersMax) {
    large.push(buffer);
  }
}

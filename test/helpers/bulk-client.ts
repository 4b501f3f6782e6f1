/** A client for large bodies that holds none of them: it sends and checks pattern.ts. */
import { connect, type Socket } from 'node:net';
import { Changes } from './changes.js';
import { LAST_CHUNK, renderChunk } from './http-text.js';
import { LeanReader } from './lean-reader.js';
import { PatternCheck, patternAt } from './pattern.js';

const PIECE_BYTES = 64 * 1024;

export class BulkClient {
  readonly socket: Socket;
  readonly check = new PatternCheck();
  status = 0;
  isComplete = false;
  isOpen = true;
  closedAtMs = 0;
  /** Why the answer can't be read. */
  violation: string | null = null;
  /** An answer in JSON, which is no pattern. */
  text = '';
  /** Of the upload's body, given to the socket. */
  sentBytes = 0;
  readonly #changes = new Changes();
  #isJson = false;

  constructor(port: number) {
    const reader = new LeanReader({
      onHead: (head) => {
        this.status = Number(head.slice(9, 12));
        this.#isJson = /content-type: application\/json/i.test(head);
      },
      onBody: (bytes) => {
        if (this.#isJson) this.text += bytes.toString('utf8');
        else this.check.take(bytes);
      },
      onEnd: () => {
        this.isComplete = true;
      },
    });
    // A client that is paused when its test fails never sees the end; it must not hold the process up.
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true }).unref();
    this.socket.on('data', (bytes) => {
      try {
        reader.push(bytes);
      } catch (error) {
        this.violation ??= error instanceof Error ? error.message.slice(0, 200) : String(error);
        this.socket.destroy();
      }
      this.#changes.notify();
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.isOpen = false;
      this.closedAtMs = performance.now();
      this.#changes.notify();
    });
  }

  get(target: string): void {
    this.socket.write(`GET ${target} HTTP/1.1\r\nhost: weir.test\r\n\r\n`);
  }

  /** Sends no faster than it is taken. */
  upload(target: string, bytes: number, framing: 'length' | 'chunked'): void {
    const { socket } = this;
    const header = framing === 'length' ? `content-length: ${bytes}` : 'transfer-encoding: chunked';
    socket.write(
      `POST ${target} HTTP/1.1\r\nhost: weir.test\r\ncontent-type: application/octet-stream\r\n${header}\r\n\r\n`,
    );
    const pump = (): void => {
      while (this.isOpen && this.sentBytes < bytes) {
        const piece = patternAt(this.sentBytes, Math.min(PIECE_BYTES, bytes - this.sentBytes));
        this.sentBytes += piece.length;
        if (!socket.write(framing === 'chunked' ? renderChunk(piece) : piece)) {
          socket.once('drain', pump);
          return;
        }
      }
      if (framing === 'chunked' && this.isOpen) socket.write(LAST_CHUNK);
    };
    pump();
  }

  /** Throws when the connection ends before the answer does, or the bound is over. */
  async untilComplete(timeoutMs: number): Promise<void> {
    await this.until(
      () => this.isComplete || !this.isOpen,
      timeoutMs,
      `an answer (${this.check.bytes} bytes came, ${this.sentBytes} went)`,
    );
    if (!this.isComplete) {
      throw new Error(
        `cut (${this.violation}): ${this.check.bytes} bytes came, ${this.sentBytes} went`,
      );
    }
  }

  async until(isTrue: () => boolean, timeoutMs: number, what: string): Promise<void> {
    await this.#changes.until(() => isTrue() || undefined, timeoutMs, what);
  }
}

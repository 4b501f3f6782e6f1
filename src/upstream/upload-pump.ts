/** Writes a streamed upload to a socket, framed in chunks or not, no faster than the provider takes it. */
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';

export class UploadPump {
  readonly #socket: Socket;
  readonly #upload: Readable;
  readonly #isChunked: boolean;
  readonly #onFailed: (error: unknown) => void;
  isDone = false;
  #isStopped = false;

  constructor(
    socket: Socket,
    upload: Readable,
    isChunked: boolean,
    onFailed: (error: unknown) => void,
  ) {
    this.#socket = socket;
    this.#upload = upload;
    this.#isChunked = isChunked;
    this.#onFailed = onFailed;
    upload.on('data', this.#onData);
    upload.on('end', this.#onEnd);
    upload.on('error', onFailed);
    socket.on('drain', this.#onDrain);
  }

  /** The answer is over, or the exchange is: nothing more is written. */
  stop(): void {
    if (this.#isStopped) {
      return;
    }
    this.#isStopped = true;
    this.#upload.off('data', this.#onData);
    this.#upload.off('end', this.#onEnd);
    this.#upload.off('error', this.#onFailed);
    this.#socket.off('drain', this.#onDrain);
    if (!this.isDone) {
      this.#upload.destroy();
    }
  }

  readonly #onData = (chunk: Buffer): void => {
    let isTaken: boolean;
    if (this.#isChunked) {
      this.#socket.cork();
      this.#socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
      this.#socket.write(chunk);
      isTaken = this.#socket.write('\r\n', 'latin1');
      this.#socket.uncork();
    } else {
      isTaken = this.#socket.write(chunk);
    }
    if (!isTaken) {
      this.#upload.pause();
    }
  };

  readonly #onEnd = (): void => {
    this.isDone = true;
    if (this.#isChunked) {
      this.#socket.write('0\r\n\r\n', 'latin1');
    }
  };

  readonly #onDrain = (): void => {
    this.#upload.resume();
  };
}

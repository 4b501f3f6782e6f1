/**
 * The provider, in a thread of its own: to what has `bytes=` in its target it answers with that many bytes, at a pace; to
 * all else at once, with a little JSON. Tells its port, then now and then how many large answers are under way, and how
 * many of them stand still because nobody takes them.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { parentPort } from 'node:worker_threads';
import { LAST_CHUNK, renderChunk, renderJson } from '../../helpers/http-text.js';
import { LeanReader } from '../../helpers/lean-reader.js';

export type ProviderNews =
  | { readonly port: number }
  | { readonly underWay: number; readonly stalled: number };

const TELL_MS = 200;
/** Of each large answer: 1.6 MB a second, a thousand times what a model says. */
const PIECE = Buffer.alloc(64 * 1024, 'a');
const CHUNK = renderChunk(PIECE);
const PACE_MS = 40;
/** Parts that the answers take turns in, so that they do not all speak at once. */
const TURNS = 8;

let opened = 0;

class Large {
  readonly socket: Socket;
  readonly turn = opened++ % TURNS;
  readonly #isChunked: boolean;
  #bytesLeft: number;
  isStalled = false;

  constructor(socket: Socket, target: string) {
    this.socket = socket;
    this.#isChunked = target.includes('&chunked');
    this.#bytesLeft = Number(/bytes=(\d+)/.exec(target)?.[1]);
    const framing = this.#isChunked
      ? 'transfer-encoding: chunked'
      : `content-length: ${this.#bytesLeft}`;
    socket.write(`HTTP/1.1 200 OK\r\ncontent-type: audio/wav\r\n${framing}\r\n\r\n`);
    socket.on('drain', () => {
      this.isStalled = false;
    });
  }

  /** @returns false when there is no more to say. */
  say(): boolean {
    if (this.isStalled || !this.socket.writable) return true;
    const piece = PIECE.subarray(0, Math.min(PIECE.length, this.#bytesLeft));
    this.#bytesLeft -= piece.length;
    const bytes = !this.#isChunked ? piece : piece === PIECE ? CHUNK : renderChunk(piece);
    this.isStalled = !this.socket.write(bytes);
    if (this.#bytesLeft > 0) return true;
    if (this.#isChunked) this.socket.write(LAST_CHUNK);
    return false;
  }
}

const large = new Set<Large>();

function serve(socket: Socket): void {
  let target = '';
  let answer: Large | null = null;
  const reader = new LeanReader({
    onHead: (head) => {
      target = head.split(' ', 2)[1] ?? '';
    },
    onBody: () => {},
    onEnd: () => {
      if (target.includes('bytes=')) {
        answer = new Large(socket, target);
        large.add(answer);
      } else socket.write(renderJson({ ok: true }));
    },
  });
  socket.on('data', (bytes) => reader.push(bytes));
  socket.on('error', () => {});
  socket.on('close', () => {
    if (answer !== null) large.delete(answer);
  });
}

async function listen(): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer({ noDelay: true }, serve);
  await new Promise<void>((resolve) => {
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { server, port: address.port };
}

if (parentPort !== null) {
  const toParent = parentPort;
  const { server, port } = await listen();
  const tell = (news: ProviderNews): void => toParent.postMessage(news);
  tell({ port });
  const telling = setInterval(() => {
    const stalled = [...large].filter(({ isStalled }) => isStalled).length;
    tell({ underWay: large.size, stalled });
  }, TELL_MS);
  let turn = 0;
  const saying = setInterval(() => {
    turn = (turn + 1) % TURNS;
    for (const answer of large) {
      if (answer.turn === turn && !answer.say()) large.delete(answer);
    }
  }, PACE_MS / TURNS);
  toParent.once('message', () => {
    clearInterval(telling);
    clearInterval(saying);
    for (const { socket } of large) socket.destroy();
    server.close();
    // Kept connections that nobody asks anything on any more.
    setImmediate(() => process.exit(0));
  });
}

/** Reads one stream of ticking-upstream.ts and holds every byte against what that stream must say. */
import { connect, type Socket } from 'node:net';
import { renderRequest } from './http-text.js';
import { LeanReader } from './lean-reader.js';
import { formatTick, LAST_EVENT } from './ticking-upstream.js';

export class TickingClient {
  readonly socket: Socket;
  readonly stream: number;
  /** Events that came whole and right. */
  events = 0;
  isComplete = false;
  /** The first thing that was wrong. */
  fault: string | null = null;
  #rest = Buffer.alloc(0);
  #hasSaidDone = false;

  constructor(port: number, stream: number) {
    this.stream = stream;
    const reader = new LeanReader({
      onHead: (head) => {
        if (!head.startsWith('HTTP/1.1 200 ')) this.#fail(`answered ${head.slice(0, 60)}`);
      },
      onBody: (bytes) => this.#take(bytes),
      onEnd: () => {
        this.isComplete = this.#hasSaidDone && this.#rest.length === 0;
        if (!this.isComplete) this.#fail('ended early');
        this.socket.destroy();
      },
    });
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (bytes) => {
      try {
        reader.push(bytes);
      } catch (error) {
        this.#fail(String(error));
        this.socket.destroy();
      }
    });
    this.socket.on('error', (error) => this.#fail(error.message));
    this.socket.on('close', () => {
      if (!this.isComplete) this.#fail(`cut after ${this.events} events`);
    });
    const body = `{"model":"m-${stream % 7}","stream":true,"stream_number":${stream},"messages":[{"role":"user","content":"${'p'.repeat(stream % 500)}"}]}`;
    this.socket.write(
      renderRequest({
        target: '/v1/chat/completions',
        headers: [['content-type', 'application/json']],
        body,
      }),
    );
  }

  #take(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#rest, bytes]);
    for (;;) {
      const end = this.#rest.indexOf('\n\n');
      if (end < 0) return;
      const event = this.#rest.toString('utf8', 0, end + 2);
      this.#rest = this.#rest.subarray(end + 2);
      if (event === LAST_EVENT) this.#hasSaidDone = true;
      else if (event === formatTick(this.stream, this.events)) this.events += 1;
      else this.#fail(`event ${this.events} of stream ${this.stream} is ${event.slice(0, 100)}`);
    }
  }

  #fail(why: string): void {
    this.fault ??= why;
  }
}

/** Opens streams, a few at a time, so that no listening queue overflows. */
export async function openStreams(port: number, count: number): Promise<TickingClient[]> {
  const clients: TickingClient[] = [];
  while (clients.length < count) {
    for (let i = 0; i < 50 && clients.length < count; i++) {
      clients.push(new TickingClient(port, clients.length));
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return clients;
}

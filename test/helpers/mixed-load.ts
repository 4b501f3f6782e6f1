/**
 * Clients that never stop asking: JSON answers and event streams, over kept connections, at a provider whose answers are
 * known beforehand. What is not exactly as it should be is written down, never thrown.
 */
import { Agent, createServer, type IncomingMessage, request, type Server } from 'node:http';
import { pause } from './changes.js';
import { chatBody } from './limited.js';
import type { SeededRandom } from './seeded-random.js';

const PROMPT_TOKENS = 9;
const ANSWER_TOKENS = 2;
/** What one answer of either kind settles. */
export const TOKENS_PER_ANSWER = PROMPT_TOKENS + ANSWER_TOKENS;
const EVENT_EVERY_MS = 20;
const COMPLAINTS_MAX = 50;

/** The request's `seed` says how many events a stream has. */
function eventsOf(seed: number): number {
  return 3 + (seed % 40);
}

function renderEvent(seed: number, at: number): string {
  const delta = { role: 'assistant', content: `${seed}:${at} ` };
  return `data: ${JSON.stringify({ id: `s${seed}`, object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: null }] })}\n\n`;
}

function renderStreamText(seed: number): string {
  const events = Array.from({ length: eventsOf(seed) }, (_, at) => renderEvent(seed, at));
  return `${events.join('')}${renderEnd(seed)}`;
}

function renderEnd(seed: number): string {
  const { usage } = chatBody(PROMPT_TOKENS, ANSWER_TOKENS) as { usage: object };
  const last = { id: `s${seed}`, object: 'chat.completion.chunk', created: 1, model: 'm' };
  return `data: ${JSON.stringify({ ...last, choices: [], usage })}\n\ndata: [DONE]\n\n`;
}

function renderAnswer(seed: number): string {
  return JSON.stringify({ ...chatBody(PROMPT_TOKENS, ANSWER_TOKENS), id: `j${seed}` });
}

/** A provider that answers by the `seed` of the body, at once or as a stream. */
export async function startSeededUpstream(): Promise<{ server: Server; baseUrl: string }> {
  const server = createServer((incoming, outgoing) => {
    void readText(incoming).then(async (text) => {
      const { seed, stream } = JSON.parse(text) as { seed: number; stream?: boolean };
      if (stream !== true) {
        outgoing.setHeader('content-type', 'application/json').end(renderAnswer(seed));
        return;
      }
      outgoing.setHeader('content-type', 'text/event-stream');
      for (let at = 0; at < eventsOf(seed); at += 1) {
        if (at > 0) await pause(EVENT_EVERY_MS);
        outgoing.write(renderEvent(seed, at));
      }
      outgoing.end(renderEnd(seed));
    });
  });
  server.keepAliveTimeout = 120_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { server, baseUrl: `http://127.0.0.1:${address.port}/v1` };
}

async function readText(incoming: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of incoming) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString();
}

export interface MixedLoadOptions {
  readonly port: number;
  readonly connections: number;
  readonly key: string;
  readonly random: SeededRandom;
  /** Between an answer and the next request of a connection, on average. */
  readonly thinkMs: number;
}

export class MixedLoad {
  answered = 0;
  streamed = 0;
  failed = 0;
  cut = 0;
  /** The first of what went wrong. */
  readonly complaints: string[] = [];
  readonly #options: MixedLoadOptions;
  readonly #agent: Agent;
  readonly #clients: Promise<void>[];
  #isStopped = false;

  /** Begins at once. */
  constructor(options: MixedLoadOptions) {
    this.#options = options;
    this.#agent = new Agent({ keepAlive: true, maxSockets: options.connections });
    this.#clients = Array.from({ length: options.connections }, (_, at) => this.#run(at));
  }

  /** Lets what runs come to its end. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#clients);
    this.#agent.destroy();
  }

  /** One request with another key; resolves to its status, 0 where there was none. */
  async ask(key: string): Promise<number> {
    return (await this.#exchange(key, 1, false)).status;
  }

  async #run(client: number): Promise<void> {
    const { random, key, thinkMs } = this.#options;
    for (let count = 0; !this.#isStopped; count += 1) {
      const seed = client * 1_000_000 + count;
      const streams = random.chance(0.3);
      const { status, text, error } = await this.#exchange(key, seed, streams);
      const isWhole = text === (streams ? renderStreamText(seed) : renderAnswer(seed));
      if (status !== 200) {
        this.failed += 1;
        this.#complain(`${client}-${count}: ${status} ${error} ${text.slice(0, 300)}`);
      } else if (!isWhole) {
        this.cut += 1;
        this.#complain(`${client}-${count}: ${streams} ${error} …${text.slice(-300)}`);
      } else if (streams) this.streamed += 1;
      else this.answered += 1;
      await pause(Math.round(thinkMs * 2 * random.next()));
    }
  }

  #exchange(
    key: string,
    seed: number,
    stream: boolean,
  ): Promise<{ status: number; text: string; error: string }> {
    const options = stream ? { stream, stream_options: { include_usage: true } } : {};
    const messages = [{ role: 'user', content: 'Hello' }];
    const body = JSON.stringify({ model: 'm', seed, max_tokens: 4, messages, ...options });
    return new Promise((resolve) => {
      let status = 0;
      const pieces: Buffer[] = [];
      const end = (error: string): void => {
        resolve({ status, text: Buffer.concat(pieces).toString(), error });
      };
      const outgoing = request(
        {
          agent: this.#agent,
          host: '127.0.0.1',
          port: this.#options.port,
          path: '/v1/chat/completions',
          method: 'POST',
          headers: {
            authorization: `Bearer ${key}`,
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
          },
        },
        (incoming) => {
          status = incoming.statusCode ?? 0;
          incoming.on('data', (piece: Buffer) => pieces.push(piece));
          incoming.on('end', () => end(''));
          incoming.on('error', (error) => end(error.message));
        },
      );
      outgoing.on('error', (error) => end(error.message));
      outgoing.end(body);
    });
  }

  #complain(what: string): void {
    if (this.complaints.length < COMPLAINTS_MAX) this.complaints.push(what);
  }
}

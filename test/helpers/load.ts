/**
 * Work for a gateway that is about to be stopped: clients that send one request after another over
 * kept connections, and streams whose bytes are known beforehand. What went wrong is counted, not thrown.
 */
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { Changes } from './changes.js';
import { LAST_CHUNK, renderChunk, renderHead, renderJson, renderRequest } from './http-text.js';
import { type MockRequest, MockUpstream, type Script, send, waitMs } from './mock-upstream.js';
import { RawClient } from './raw-client.js';

const STREAM_TARGET = '/v1/streams/';

export interface StreamShape {
  readonly events: number;
  readonly paceMs: number;
  /** Says nothing more after the first event. */
  readonly isEndless?: boolean;
}

/** Answers `/v1/streams/<name>` with an event stream of that name, all else with the request's own body. */
export function startLoadUpstream(shape: StreamShape): Promise<MockUpstream> {
  return MockUpstream.start({
    script: (request) =>
      request.target.startsWith(STREAM_TARGET)
        ? streamScript(request.target.slice(STREAM_TARGET.length), shape)
        : [send(renderJson({ got: request.text }))],
  });
}

export function renderStream(name: string, { events }: StreamShape): Buffer {
  return Buffer.concat(Array.from({ length: events }, (_, at) => renderEvent(name, at)));
}

/** Different in every stream and event, and of different lengths, so that a mix-up shows. */
function renderEvent(name: string, at: number): Buffer {
  const noise = createHash('sha256').update(`${name}/${at}`).digest('hex').repeat(3);
  return Buffer.from(`data: {"of":"${name}","at":${at},"é":"${noise.slice(at % 90)}"}\n\n`);
}

function streamScript(name: string, shape: StreamShape): Script {
  const head = renderHead('HTTP/1.1 200 OK', [
    ['content-type', 'text/event-stream'],
    ['transfer-encoding', 'chunked'],
  ]);
  const steps = [send(head), send(renderChunk(renderEvent(name, 0)))];
  if (shape.isEndless === true) return [...steps, (connection) => connection.closed];
  for (let at = 1; at < shape.events; at++) {
    steps.push(waitMs(shape.paceMs), send(renderChunk(renderEvent(name, at))));
  }
  return [...steps, send(LAST_CHUNK)];
}

export function isStream(request: MockRequest): boolean {
  return request.target.startsWith(STREAM_TARGET);
}

/** Opens a stream and waits for the first bytes of its answer. */
export async function openStream(port: number, name: string): Promise<RawClient> {
  const client = await RawClient.connect({ port });
  client.send(renderRequest({ target: `${STREAM_TARGET}${name}`, body: '{"model":"m"}' }));
  await client.waitForBytes(1);
  return client;
}

/** Opens that many, all live when it resolves. */
export function openStreams(port: number, count: number): Promise<RawClient[]> {
  return Promise.all(Array.from({ length: count }, (_, at) => openStream(port, `s${at}`)));
}

/** Complaints about streams that did not arrive whole and bit for bit. */
export async function auditStreams(
  clients: readonly RawClient[],
  shape: StreamShape,
): Promise<string[]> {
  const complaints: string[] = [];
  for (const [at, client] of clients.entries()) {
    const response = await client.readResponse();
    const isSame = renderStream(`s${at}`, shape).equals(response.body);
    if (!response.complete || !isSame) {
      complaints.push(`s${at}: complete ${response.complete}, ${response.bodyBytes} bytes`);
    }
  }
  return complaints;
}

export class Hammer {
  answered = 0;
  /** Connections that were refused (ECONNREFUSED): the end of a client. */
  refused = 0;
  /** A request on a connection that had been answered before, and no answer or a wrong one. */
  readonly lost: string[] = [];
  /** The first request of a connection that was never accepted: reset in the kernel's queue. */
  readonly unaccepted: string[] = [];
  readonly #port: number;
  readonly #changes = new Changes();
  readonly #clients: Promise<void>[];
  #isStopped = false;

  /** Begins at once. Each client goes on until it is refused, or stop() is called. */
  constructor(port: number, clients: number) {
    this.#port = port;
    this.#clients = Array.from({ length: clients }, (_, at) => this.#runClient(at));
  }

  waitForAnswers(count: number, timeoutMs = 10_000): Promise<true> {
    return this.#changes.until(
      () => (this.answered >= count ? true : undefined),
      timeoutMs,
      `${count} answers`,
    );
  }

  /** Resolves when every client was refused or has come to an end. */
  async finish(): Promise<void> {
    await Promise.all(this.#clients);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.finish();
  }

  async #runClient(number: number): Promise<void> {
    for (let turn = 0; !this.#isStopped; turn++) {
      let client: RawClient;
      try {
        client = await RawClient.connect({ port: this.#port });
      } catch (error) {
        if (String(error).includes('ECONNREFUSED')) this.refused++;
        else this.unaccepted.push(String(error));
        return;
      }
      try {
        await this.#runConnection(client, `${number}-${turn}`);
      } finally {
        client.destroy();
      }
    }
  }

  async #runConnection(client: RawClient, name: string): Promise<void> {
    for (let count = 0; !this.#isStopped; count++) {
      const body = `{"model":"m","input":"${name}-${count}"}`;
      client.send(renderRequest({ target: '/v1/chat/completions', body }));
      const response = await client.readResponseOrClose();
      if (response === null) {
        (count === 0 ? this.unaccepted : this.lost).push(`${name}-${count}: ${client.closeKind}`);
        return;
      }
      if (!response.complete || response.status !== 200 || !isEcho(response.text, body)) {
        this.lost.push(`${name}-${count}: ${response.status} ${response.text.slice(0, 200)}`);
      }
      this.answered++;
      this.#changes.notify();
      if (/close/i.test(response.header('connection') ?? '') || client.closeKind !== 'open') return;
    }
  }
}

function isEcho(text: string, body: string): boolean {
  return text === JSON.stringify({ got: body });
}

/** What becomes of a new connection: `open`, or the error's code. */
export function tryConnect(port: number, host = '127.0.0.1'): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host });
    socket.once('connect', () => {
      socket.destroy();
      resolve('open');
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

/** Asks again and again, because between a log line and the closing of sockets lies a turn of the loop. */
export async function waitUntilRefused(port: number, timeoutMs: number): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  let seen = await tryConnect(port);
  while (seen !== 'ECONNREFUSED') {
    if (performance.now() > endMs) throw new Error(`port ${port} is still ${seen}`);
    seen = await tryConnect(port);
  }
}

/**
 * A provider in a process of its own that answers real requests with mutated bytes of recorded answers, cut at random
 * places, and requests of the model `canary` as they deserve, over the same connections. It reads what the gateway
 * sends strictly: malformed bytes would be smuggled ones. Argument: the seed.
 */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { splitAt } from '../../helpers/byte-splits.js';
import { loadJsonAnswers, loadStreams } from '../../helpers/fixtures.js';
import { LAST_CHUNK, renderChunk, renderHead } from '../../helpers/http-text.js';
import { renderReplay, WIRE_FRAMINGS } from '../../helpers/replay.js';
import { SeededRandom } from '../../helpers/seeded-random.js';
import { type HttpMessage, MessageParser } from '../../helpers/strict-http.js';
import { renderAnswer } from '../failing/answers.js';
import { readSpec } from '../failing/spec.js';
import { CANARY, type FuzzOrder, type FuzzReport } from './messages.js';
import { mutate } from './mutate.js';

const random = new SeededRandom(Number(process.argv[2] ?? 1));
/** So short that what follows an answer's end comes in one read with it: nobody could tell it from the next one's answer. */
const KEPT_BYTES_MAX = 24_000;
const VIOLATIONS_KEPT = 20;
const PLAIN_START = 'HTTP/1.1 200 OK\r\n';
const CLOSE = Buffer.from('connection: close\r\n');

const bodies = [
  ...loadStreams().map(({ sse }) => ({ type: 'text/event-stream', bytes: sse })),
  ...loadJsonAnswers().map(({ bytes }) => ({ type: 'application/json', bytes })),
].map(({ type, bytes }) => ({ type, bytes: bytes.subarray(0, 60_000) }));
const spliced = bodies.map(({ bytes }) => bytes);

let requests = 0;
let mutated = 0;
const violations: string[] = [];

const server = createServer({ noDelay: true }, (socket) => {
  let parser = new MessageParser('request');
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    try {
      for (let rest: Buffer = bytes; rest.length > 0; ) {
        rest = parser.push(rest);
        if (!parser.isDone) return;
        answer(socket, parser.message);
        parser = new MessageParser('request');
      }
    } catch (error) {
      if (violations.length < VIOLATIONS_KEPT) violations.push(String(error));
      socket.destroy();
    }
  });
});

function answer(socket: Socket, request: HttpMessage): void {
  requests += 1;
  const id = readCanary(request);
  if (id !== null) answerCanary(socket, id, request);
  else answerBadly(socket);
}

function readCanary(request: HttpMessage): string | null {
  if (!request.text.includes(CANARY)) return null;
  try {
    const value = request.json() as { model?: unknown; messages?: [{ content?: unknown }?] };
    const id = value.messages?.[0]?.content;
    return value.model === CANARY && typeof id === 'string' ? id : null;
  } catch {
    return null;
  }
}

function answerCanary(socket: Socket, id: string, request: HttpMessage): void {
  const spec = readSpec(id);
  const { contentType, pieces } = renderAnswer(spec, /"include_usage":true/.test(request.text));
  const framing: [string, string] = spec.isStream
    ? ['transfer-encoding', 'chunked']
    : ['content-length', `${Buffer.byteLength(pieces.join(''))}`];
  const head = renderHead('HTTP/1.1 200 OK', [['content-type', contentType], framing]);
  const body = spec.isStream
    ? [...pieces.map((piece) => renderChunk(Buffer.from(piece))), LAST_CHUNK]
    : [Buffer.from(pieces.join(''))];
  socket.write(Buffer.concat([head, ...body]));
}

function answerBadly(socket: Socket): void {
  const { type, bytes } = random.pick(bodies);
  const { wire, points } = renderReplay(
    bytes,
    random.pick(WIRE_FRAMINGS),
    [['Content-Type', type]],
    random,
  );
  const isMutated = random.chance(0.9);
  const wrong = isMutated ? mutate(wire, random, spliced) : wire;
  if (isMutated) mutated += 1;
  const sent = random.chance(0.3) ? wrong.subarray(0, random.integer(0, wrong.length)) : wrong;
  const isPlain = sent.subarray(0, PLAIN_START.length).toString('latin1') === PLAIN_START;
  if (!isPlain || random.chance(0.3)) {
    socket.write(sent.subarray(0, KEPT_BYTES_MAX));
    return;
  }
  // What comes after the end of an answer in a read of its own may meet the next request: no connection for another one.
  const second = sent.indexOf('\n') + 1;
  const closing = [sent.subarray(0, second), CLOSE, sent.subarray(second)];
  write(socket, splitAt(Buffer.concat(closing), points), 0);
}

/** A piece a turn, and then the end, so that nothing that follows can be the next request's answer. */
function write(socket: Socket, pieces: readonly Buffer[], at: number): void {
  const piece = pieces[at];
  if (socket.destroyed) return;
  if (piece === undefined) {
    if (random.chance(0.5)) socket.end();
    else socket.resetAndDestroy();
    return;
  }
  socket.write(piece);
  setImmediate(write, socket, pieces, at + 1);
}

process.on('message', (order: FuzzOrder) => {
  if (order.kind === 'count') tell({ kind: 'counted', requests, mutated, violations });
});
process.on('disconnect', () => process.exit(0));

function tell(report: FuzzReport): void {
  process.send?.(report);
}

server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () =>
  tell({ kind: 'listening', port: (server.address() as AddressInfo).port }),
);

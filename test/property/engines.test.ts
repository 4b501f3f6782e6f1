/**
 * The lean engine against undici: the same bytes from a server mean the same, the same request leaves as the same
 * bytes. Where they differ on purpose, it is listed below, and tested, so that the list stays true.
 */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { choosePoints, splitAt } from '../helpers/byte-splits.js';
import { pause } from '../helpers/changes.js';
import {
  ByteServer,
  type EngineName,
  type ObservedCall,
  ProviderHarness,
} from '../helpers/engine-harness.js';
import { loadJsonAnswers, loadStreams } from '../helpers/fixtures.js';
import { hasFixtures, skipUnless } from '../helpers/need.js';
import { createRandom, type SeededRandom } from '../helpers/seeded-random.js';

const OK = 'HTTP/1.1 200 OK\r\n';

/** What the server does with a request. */
interface Scene {
  readonly name: string;
  readonly pieces: readonly Buffer[];
  readonly ending: 'stay' | 'fin' | 'rst';
  readonly method?: string;
}

interface Outcome {
  readonly isWhole: boolean;
  readonly status: number | null;
  readonly statusLine: string | null;
  readonly lines: string | null;
  readonly contentLength: number | null;
  readonly body: Buffer;
  readonly call: ObservedCall;
}

let current: Scene;
let server: ByteServer;

before(async () => {
  server = await ByteServer.start((socket) => void play(socket, current));
});

after(() => server.stop());

async function play(socket: Socket, { pieces, ending }: Scene): Promise<void> {
  for (const piece of pieces) {
    if (socket.destroyed) return;
    socket.write(piece);
    await pause(0);
  }
  if (ending === 'fin') socket.end();
  if (ending === 'rst') socket.resetAndDestroy();
}

async function run(engine: EngineName, scene: Scene): Promise<Outcome> {
  current = scene;
  const harness = new ProviderHarness(engine, server.port);
  const call = await harness.call({ method: scene.method ?? 'GET' }).over();
  harness.provider.close();
  const { head } = call;
  return {
    isWhole: call.isWhole,
    status: head?.status ?? null,
    statusLine: head?.statusLine ?? null,
    lines: head === null ? null : trimValues(head.lines),
    contentLength: head?.contentLength ?? null,
    body: call.body,
    call,
  };
}

/** undici hands over names and values, so the spaces around a value are gone; the lean engine passes lines as they came. */
function trimValues(lines: string): string {
  return lines.replace(/^([^:\r\n]+):[ \t]*(.*?)[ \t]*\r\n/gm, '$1: $2\r\n');
}

async function compare(scene: Scene): Promise<Outcome> {
  const lean = await run('lean', scene);
  const undici = await run('undici', scene);
  const shown = `${scene.name}: lean ${lean.call.failureCode}, undici ${undici.call.failureCode}`;
  assert.equal(lean.isWhole, undici.isWhole, shown);
  if (lean.isWhole) {
    assert.equal(lean.status, undici.status, shown);
    if (scene.pieces.length === 1) assert.equal(lean.statusLine, undici.statusLine, shown);
    assert.equal(lean.lines, undici.lines, shown);
    assert.equal(lean.contentLength, undici.contentLength, shown);
    assert.ok(lean.body.equals(undici.body), `${shown}: the bodies differ`);
  } else if (scene.ending !== 'rst') {
    // After a reset the kernel may have thrown away what was not read yet. Else both tell as much, unless the error
    // came with the same read as the data before it.
    assert.ok(lean.body.equals(undici.body), `${shown}: ${lean.body} and ${undici.body}`);
  }
  return lean;
}

type Framing = 'length' | 'chunked' | 'close';

function frame(body: Buffer, framing: Framing, random: SeededRandom, lines: string): Buffer {
  if (framing === 'length') {
    return Buffer.concat([
      Buffer.from(`${OK}${lines}content-length: ${body.length}\r\n\r\n`, 'latin1'),
      body,
    ]);
  }
  const head = Buffer.from(
    framing === 'close' ? `${OK}${lines}\r\n` : `${OK}${lines}transfer-encoding: chunked\r\n\r\n`,
    'latin1',
  );
  if (framing === 'close') return Buffer.concat([head, body]);
  const extension = random.pick(['', '', ';a=b', ';x="1"']);
  const chunks = splitAt(body, choosePoints(body, random, { meanBytes: 300 }))
    .filter(({ length }) => length > 0)
    .flatMap((piece) => [
      Buffer.from(`${piece.length.toString(16)}${extension}\r\n`),
      piece,
      Buffer.from('\r\n'),
    ]);
  const trailers = random.pick(['', '', 'x-sum: 1\r\n']);
  return Buffer.concat([head, ...chunks, Buffer.from(`0\r\n${trailers}\r\n`)]);
}

function split(bytes: Buffer, random: SeededRandom): Buffer[] {
  const meanBytes = random.pick([3, 40, 700, 5000]);
  // At most some 60 pieces, else a scene takes seconds.
  const points = choosePoints(bytes, random, {
    meanBytes: Math.max(meanBytes, bytes.length / 60),
    hostileShare: 0.02,
  });
  return splitAt(bytes, points);
}

const LINES = [
  'content-type: application/json\r\nx-request-id: req_1\r\n',
  'Content-Type:text/event-stream\r\nSet-Cookie: a=b\r\nSet-Cookie:  c=d \r\n',
  'connection: x-hop\r\nx-hop: gone\r\nx-latin: \xe9\r\nalt-svc: h3\r\ndate: now\r\nempty:\r\n',
];

function createBody(random: SeededRandom): Buffer {
  return random.chance(0.5)
    ? random.bytes(random.integer(0, 3000))
    : Buffer.from('data: {"x":"é\u{1f600}"}\n\n'.repeat(random.integer(1, 60)));
}

test('valid answers in every framing', async () => {
  const random = createRandom(1);
  for (let i = 0; i < 90; i += 1) {
    const framing = random.pick<Framing>(['length', 'chunked', 'close']);
    const body = createBody(random);
    const bytes = frame(body, framing, random, random.pick(LINES));
    const ending = framing === 'close' ? 'fin' : 'stay';
    const lean = await compare({
      name: `seed ${random.seed}, ${i} ${framing}`,
      pieces: split(bytes, random),
      ending,
    });
    assert.equal(lean.isWhole, true);
    assert.ok(lean.body.equals(body));
  }
});

test('recorded streams and answers', {
  skip: skipUnless(hasFixtures, 'the fixtures'),
}, async () => {
  const random = createRandom(2);
  const bodies = [
    ...loadStreams().map(({ sse }) => sse),
    ...loadJsonAnswers().map(({ bytes }) => bytes),
  ];
  assert.ok(bodies.length > 10);
  for (let i = 0; i < 24; i += 1) {
    const body = random.pick(bodies);
    const framing = random.pick<Framing>(['length', 'chunked', 'close']);
    const bytes = frame(body, framing, random, random.pick(LINES));
    const ending = framing === 'close' ? 'fin' : 'stay';
    const lean = await compare({
      name: `seed ${random.seed}, ${i}`,
      pieces: split(bytes, random),
      ending,
    });
    assert.ok(lean.body.equals(body));
  }
});

test('answers that are cut, by FIN and by RST, anywhere', async () => {
  const random = createRandom(3);
  let cuts = 0;
  for (let i = 0; i < 80; i += 1) {
    const framing = random.pick<Framing>(['length', 'chunked', 'close']);
    const whole = frame(createBody(random), framing, random, random.pick(LINES));
    const bytes = whole.subarray(0, random.integer(0, whole.length - 1));
    const ending = random.pick(['fin', 'rst'] as const);
    const name = `seed ${random.seed}, ${i} ${framing} ${ending} after ${bytes.length} of ${whole.length}`;
    const lean = await compare({ name, pieces: split(bytes, random), ending });
    if (!lean.isWhole) cuts += 1;
    const mayBeWhole = framing === 'close' && ending === 'fin';
    assert.ok(mayBeWhole || !lean.isWhole, name);
  }
  assert.ok(cuts > 40, `${cuts} were seen as cut`);
});

/**
 * Valid or not, whichever engine a provider's bytes come through, the client is told the same: but for these, where the
 * lean engine is stricter than undici's parser, or where undici is wrong. Of a reason that lies in two reads undici
 * keeps the second part only; that is why compare() looks at reasons of answers in one piece alone.
 */
const HELLO = `${OK}content-length: 5\r\n\r\nhello`;
const CHUNKED = `${OK}transfer-encoding: chunked\r\n\r\n`;
const DIFFERENCES: readonly {
  readonly why: string;
  readonly text: string;
  readonly isWholeBy: EngineName;
}[] = [
  {
    why: '100 Continue that nobody asked for: undici fails, RFC 9110 section 15.2 wants it ignored',
    text: `HTTP/1.1 100 Continue\r\n\r\n${HELLO}`,
    isWholeBy: 'lean',
  },
  {
    why: 'spaces after a chunk’s size: some servers pad it to a fixed width',
    text: `${CHUNKED}5  \r\nhello\r\n0\r\n\r\n`,
    isWholeBy: 'lean',
  },
  {
    why: 'what stands in a chunk’s extension, if it is text, is nobody’s business',
    text: `${CHUNKED}5;a:b\r\nhello\r\n0\r\n\r\n`,
    isWholeBy: 'lean',
  },
  {
    why: 'a control character in the reason',
    text: HELLO.replace('OK', 'O\0K'),
    isWholeBy: 'undici',
  },
  {
    why: 'a status line that ends in a bare CR',
    text: HELLO.replace('OK\r\n', 'OK\r\r'),
    isWholeBy: 'undici',
  },
  {
    why: 'a control character in a chunk’s extension',
    text: `${CHUNKED}5;a="\x7f"\r\nhello\r\n0\r\n\r\n`,
    isWholeBy: 'undici',
  },
  { why: 'an HTTP version that is not 1', text: HELLO.replace('1.1', '2.0'), isWholeBy: 'undici' },
  { why: 'an empty line before the head', text: `\r\n${HELLO}`, isWholeBy: 'undici' },
];

test('the differences between the engines are these', async () => {
  for (const { why, text, isWholeBy } of DIFFERENCES) {
    const scene: Scene = { name: why, pieces: [Buffer.from(text, 'latin1')], ending: 'fin' };
    assert.equal((await run('lean', scene)).isWhole, isWholeBy === 'lean', why);
    assert.equal((await run('undici', scene)).isWhole, isWholeBy === 'undici', why);
  }
});

/** Answers that a sloppy server may send, whole in one piece; both engines agree about each. */
const ODD: readonly string[] = [
  `HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${HELLO}`,
  HELLO.replace('1.1', '1.0'),
  'HTTP/1.0 200 OK\r\n\r\nhello',
  `${CHUNKED.replace('1.1', '1.0')}5\r\nhello\r\n0\r\n\r\n`,
  'HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n',
  'HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n',
  'HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
  'HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n',
  'HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n',
  `${HELLO}leftover`,
  `${HELLO}${HELLO}`,
  `${CHUNKED}0005\r\nhello\r\n000\r\n\r\n`,
  `${OK}content-length: 05\r\n\r\nhello`,
  `${OK}connection: close, x-hop\r\nx-hop: 1\r\ncontent-length: 5\r\n\r\nhello`,
  // Errors in both.
  `${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(33)}${HELLO}`,
  '',
  'SSH-2.0-OpenSSH\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
  `${OK}content-length: 5\r\ncontent-length: 5\r\n\r\nhello`,
  `${OK}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
  `${OK}content-length: 5, 5\r\n\r\nhello`,
  `${OK}content-length: +5\r\n\r\nhello`,
  `${OK}content-length:\r\n\r\nhello`,
  `${OK}transfer-encoding: gzip\r\n\r\nhello`,
  `${OK}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  `${OK}a: b\r\n folded\r\ncontent-length: 0\r\n\r\n`,
  `${OK}a : b\r\ncontent-length: 0\r\n\r\n`,
  `${OK}a: \0\r\ncontent-length: 0\r\n\r\n`,
  `${OK}a: ${'v'.repeat(66_000)}\r\ncontent-length: 0\r\n\r\n`,
  `${CHUNKED}-5\r\nhello\r\n0\r\n\r\n`,
  `${CHUNKED}0x5\r\nhello\r\n0\r\n\r\n`,
  `${CHUNKED}\r\nhello\r\n0\r\n\r\n`,
  `${CHUNKED}5\r\nhello0\r\n\r\n`,
  `${CHUNKED}5\nhello\r\n0\r\n\r\n`,
];

test('odd answers get the same verdict, and the same error', async () => {
  for (const text of ODD) {
    const scene: Scene = {
      name: JSON.stringify(text),
      pieces: [Buffer.from(text, 'latin1')],
      ending: 'fin',
    };
    const lean = await compare(scene);
    const undici = await run('undici', scene);
    assert.equal(lean.call.failureCode, undici.call.failureCode, scene.name);
    assert.equal(
      lean.call.events.filter((event) => event === 'end' || event === 'failure').length,
      1,
    );
  }
  assert.equal(
    (await run('lean', { name: '', pieces: [Buffer.from('SSH')], ending: 'stay' })).call
      .failureCode,
    'upstream_malformed',
  );
});

test('damaged answers', async () => {
  const random = createRandom(4);
  for (let i = 0; i < 120; i += 1) {
    const framing = random.pick<Framing>(['length', 'chunked']);
    const damaged = frame(Buffer.from('hello, world'), framing, random, 'a: b\r\n');
    damaged[random.integer(0, damaged.length - 1)] = random.pick([0, 0x20, 0x3a, 0x01, 0x7f]);
    const text = damaged.toString('latin1');
    // Reasons and extensions are in the list above.
    if (!text.startsWith(`${OK}`) || /\n[0-9a-f]+[^\r\n]+\r\n/.test(text)) continue;
    await compare({ name: `${i}: ${JSON.stringify(text)}`, pieces: [damaged], ending: 'fin' });
  }
});

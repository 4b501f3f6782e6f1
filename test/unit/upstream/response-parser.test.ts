/** What a provider's bytes mean to the lean engine: the valid, and every way of being invalid, at every split. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResponseParser } from '../../../src/upstream/response-parser.js';
import {
  type Conversation,
  type ParsedConnection,
  parseBytewise,
  parsePieces,
  parseSplit,
} from '../../helpers/parsed-answers.js';

const ONE: Conversation = { toHead: [false] };
const OK = 'HTTP/1.1 200 OK\r\n';
const CHUNKED = `${OK}transfer-encoding: chunked\r\n\r\n`;
const KB = 1024;

function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** The same in one piece, in two at each point, and byte by byte; long ones at their ends only. */
function parseEveryWay(text: string, talk: Conversation = ONE): ParsedConnection[] {
  const bytes = bytesOf(text);
  const points = Array.from({ length: Math.max(0, bytes.length - 1) }, (_, i) => i + 1);
  const chosen = points.length <= 600 ? points : [...points.slice(0, 60), ...points.slice(-60)];
  return [
    parsePieces([bytes], talk),
    parseBytewise(bytes, talk),
    ...chosen.map((point) => parseSplit(bytes, [point], talk)),
  ];
}

function describe({ answers, error, leftoverBytes }: ParsedConnection): string {
  const told = answers.map(({ head, body, isWhole }) => `${head.status} ${body} ${isWhole}`);
  return `${told.join(' | ')} error ${error} left ${leftoverBytes}`;
}

/** Valid answers → what is told of them. */
const VALID: readonly (readonly [text: string, told: string, talk?: Conversation])[] = [
  [`${OK}content-length: 5\r\n\r\nhello`, '200 hello true error null left 0'],
  [`${OK}Content-Length:5\r\n\r\nhello`, '200 hello true error null left 0'],
  [`${OK}content-length: \t5 \r\n\r\nhello`, '200 hello true error null left 0'],
  [`${OK}content-length: 0\r\n\r\n`, '200  true error null left 0'],
  [`${OK}content-length: 2\r\n\r\nhello`, '200 he true error null left 3'],
  [`${OK}content-length: 9\r\n\r\nhello`, '200 hello false error null left 0'],
  [`${CHUNKED}5\r\nhello\r\n0\r\n\r\n`, '200 hello true error null left 0'],
  [`${CHUNKED}00005\r\nhello\r\n000\r\n\r\n`, '200 hello true error null left 0'],
  [`${CHUNKED}00000000005\r\nhello\r\n0\r\n\r\n`, '200 hello true error null left 0'],
  [
    `${CHUNKED}B\r\nhello world\r\nb;a="x;y"\r\nhello world\r\n0\r\n\r\n`,
    '200 hello worldhello world true error null left 0',
  ],
  [`${CHUNKED}5 \t;ext\r\nhello\r\n0;last\r\n\r\n`, '200 hello true error null left 0'],
  [`${CHUNKED}5  \r\nhello\r\n0\r\n\r\n`, '200 hello true error null left 0'],
  [`${CHUNKED}2\r\n\r\n\r\n0\r\na: b\r\nc: d\r\n\r\nHTTP`, '200 \r\n true error null left 4'],
  [`${OK}transfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n`, '200  true error null left 0'],
  [
    `${OK}\r\nuntil the end`,
    '200 until the end true error null left 0',
    { toHead: [false], ends: true },
  ],
  [`${OK}\r\nuntil the end`, '200 until the end false error null left 0'],
  [`${OK}\r\n`, '200  true error null left 0', { toHead: [false], ends: true }],
  [
    `${OK}content-length: 5\r\n\r\nhel`,
    '200 hel false error null left 0',
    { toHead: [false], ends: true },
  ],
  [
    `${CHUNKED}5\r\nhello\r\n`,
    '200 hello false error null left 0',
    { toHead: [false], ends: true },
  ],
  ['HTTP/1.1 204 No Content\r\n\r\nx', '204  true error null left 1'],
  ['HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n', '204  true error null left 0'],
  ['HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n', '304  true error null left 0'],
  [`${OK}content-length: 5\r\n\r\n`, '200  true error null left 0', { toHead: [true] }],
  [CHUNKED, '200  true error null left 0', { toHead: [true] }],
  [
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx',
    '200 x true error null left 0',
  ],
  ['HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx', '200 x true error null left 0'],
  ['HTTP/1.1 200\r\ncontent-length: 1\r\n\r\nx', '200 x true error null left 0'],
  ['HTTP/1.1 599 \xe9\r\ncontent-length: 1\r\n\r\nx', '599 x true error null left 0'],
  [
    `${OK}content-length: 1\r\n\r\nx${CHUNKED}1\r\ny\r\n0\r\n\r\n${OK}content-length: 3\r\n\r\n${OK}\r\nz`,
    '200 x true | 200 y true | 200  true | 200 z true error null left 0',
    { toHead: [false, false, true, false], ends: true },
  ],
  [
    `${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(32)}${OK}content-length: 1\r\n\r\nx`,
    '200 x true error null left 0',
  ],
  [
    `${OK}a: ${'v'.repeat(64 * KB - 40)}\r\ncontent-length: 1\r\n\r\nx`.replace('vvvv', ''),
    '200 x true error null left 0',
  ],
  [`${CHUNKED}1;${'e'.repeat(4093)}\r\nx\r\n0\r\n\r\n`, '200 x true error null left 0'],
];

test('valid answers mean the same at every split', () => {
  for (const [text, told, talk] of VALID) {
    for (const parsed of parseEveryWay(text, talk)) {
      assert.equal(describe(parsed), told, JSON.stringify(text.slice(0, 200)));
    }
  }
});

function headWith(line: string): string {
  return `${OK}${line}\r\n\r\nhello`;
}

function statusLine(line: string): string {
  return `${line}\r\ncontent-length: 5\r\n\r\nhello`;
}

function chunksWith(text: string): string {
  return `${CHUNKED}3\r\nabc\r\n${text}`;
}

/** Invalid answers → the body that is told before the error; null: not even a head is. */
const INVALID: readonly (readonly [text: string, body: string | null])[] = [
  ['HTTP/1.1 200 OK\ncontent-length: 5\r\n\r\nhello', null],
  ['HTTP/1.1 200 OK\ncontent-length: 5\n\nhello', null],
  [headWith('a: b\nc: d'), null],
  [headWith('a: b\rc: d'), null],
  [headWith('a: b\r c'), null],
  [headWith('a: b\r\n folded'), null],
  [headWith('a: b\r\n\tfolded'), null],
  [headWith(' a: b'), null],
  [headWith('content-length : 5'), null],
  [headWith('content-length\t: 5'), null],
  [headWith('a: \0'), null],
  [headWith('a\0: b'), null],
  [headWith('a: \x7f'), null],
  [headWith('a: \x01'), null],
  [headWith('no colon'), null],
  [headWith(': nameless'), null],
  [headWith('na me: x'), null],
  [headWith('n\xe9: x'), null],
  [headWith('content-length: 5\r\ntransfer-encoding: chunked'), null],
  [headWith('transfer-encoding: chunked\r\ncontent-length: 5'), null],
  [headWith('content-length: 5\r\ncontent-length: 5'), null],
  [headWith('content-length: 5\r\ncontent-length: 6'), null],
  [headWith('content-length: 5\r\ncontent-length:'), null],
  [headWith('content-length: +5'), null],
  [headWith('content-length: -5'), null],
  [headWith('content-length: 5, 5'), null],
  [headWith('content-length: 5,5'), null],
  [headWith('content-length:'), null],
  [headWith('content-length: 0x5'), null],
  [headWith('content-length: 5.0'), null],
  [headWith('content-length: 5e0'), null],
  [headWith('content-length: \xb5'), null],
  [headWith('content-length: 9999999999999999'), null],
  [headWith('transfer-encoding: gzip, chunked'), null],
  [headWith('transfer-encoding: chunked, chunked'), null],
  [headWith('transfer-encoding: chunked\r\ntransfer-encoding: chunked'), null],
  [headWith('transfer-encoding: identity'), null],
  [headWith('transfer-encoding: xchunked'), null],
  [headWith('transfer-encoding:'), null],
  [chunksWith('fffffffffffff\r\nx'), 'abc'],
  [chunksWith('fffffffffffffffff1\r\nx'), 'abc'],
  [chunksWith('\r\nx'), 'abc'],
  [chunksWith(';ext\r\nx'), 'abc'],
  [chunksWith('-1\r\nx'), 'abc'],
  [chunksWith('+1\r\nx'), 'abc'],
  [chunksWith('0x1\r\nx'), 'abc'],
  [chunksWith(' 1\r\nx'), 'abc'],
  [chunksWith('1g\r\nx'), 'abc'],
  [chunksWith('1\nx\r\n'), 'abc'],
  [chunksWith('1\r\rx'.concat('\n'.repeat(3))), 'abc'],
  [chunksWith('1;a\rb\r\nx\r\n'), 'abc'],
  [chunksWith('1;a\0\r\nx\r\n'), 'abc'],
  [chunksWith('2\r\nabcd\r\n'), 'abcab'],
  [chunksWith('1\r\nx0\r\n\r\n'), 'abcx'],
  [chunksWith('1\r\nx\n0\r\n\r\n'), 'abcx'],
  [chunksWith('1\r\nx\r\r0\r\n\r\n'), 'abcx'],
  [chunksWith(`1;${'e'.repeat(4094)}\r\nx\r\n`), 'abc'],
  [chunksWith('e'.repeat(5000)), 'abc'],
  [chunksWith('0\r\na: b\n\r\n'), 'abc'],
  [chunksWith('0\r\nno colon\r\n\r\n'), 'abc'],
  [chunksWith('0\r\na: b\r\n folded\r\n\r\n'), 'abc'],
  [chunksWith('0\r\na: \0\r\n\r\n'), 'abc'],
  [chunksWith('0\r\na: b\rc: d\r\n\r\n'), 'abc'],
  [chunksWith('0\r\n\n'), 'abc'],
  [chunksWith(`0\r\n${`a: ${'v'.repeat(1000)}\r\n`.repeat(70)}\r\n`), 'abc'],
  [chunksWith(`0\r\na: ${'v'.repeat(4094)}\r\n\r\n`), 'abc'],
  ['HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\nhello', null],
  ['HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(33), null],
  ['HTTP/1.1 100 Continue\r\ntransfer-encoding: gzip\r\n\r\n', null],
  [`${OK}a: ${'v'.repeat(64 * KB)}\r\ncontent-length: 1\r\n\r\nx`, null],
  [`${OK}a: ${'v'.repeat(70 * KB)}`, null],
  ...[
    'HTTP/2 200 OK',
    'HTTP/1.2 200 OK',
    'http/1.1 200 OK',
    'HTTP/1.1 20 OK',
    'HTTP/1.1 2000 OK',
  ].map((line) => [statusLine(line), null] as const),
  ...[
    'HTTP/1.1  200 OK',
    'HTTP/1.1 200\tOK',
    'HTTP/1.1 099 OK',
    'HTTP/1.1 2x0 OK',
    ' HTTP/1.1 200 OK',
  ].map((line) => [statusLine(line), null] as const),
  ...[
    '\r\nHTTP/1.1 200 OK',
    'HTTP/1.1 200 O\x00K',
    'HTTP/1.1 200 O\rK',
    'HTTP/1.1',
    'HTTP',
    'ICY 200 OK',
  ].map((line) => [statusLine(line), null] as const),
  ['SSH-2.0-OpenSSH_9.2\r\n', null],
  ['<', null],
  ['HTTP/1.1 200 OK\n', null],
  ['\x15\x03\x01\x00\x02\x02', null],
];

test('invalid answers are errors at every split, and nothing is told after the error', () => {
  for (const [text, body] of INVALID) {
    for (const { answers, error } of parseEveryWay(text)) {
      const shown = JSON.stringify(text.slice(0, 120));
      assert.notEqual(error, null, shown);
      assert.equal(answers.length, body === null ? 0 : 1, shown);
      assert.equal(answers[0]?.body ?? null, body, shown);
      assert.equal(answers[0]?.isWhole ?? false, false, shown);
    }
  }
});

test('the bound of a head holds to the byte, however it is split', () => {
  for (const excess of [0, 1]) {
    const start = `${OK}content-length: 1\r\na: `;
    const text = `${start}${'v'.repeat(64 * KB + excess - start.length)}\r\n\r\nx`;
    const length = text.length;
    for (const parsed of [
      ...parseEveryWay(text),
      parseSplit(bytesOf(text), [64 * KB, length - 4, length - 3, length - 2], ONE),
    ]) {
      assert.equal(parsed.error, excess === 0 ? null : 'HEAD_TOO_LARGE');
    }
  }
});

test('a trailer section that never ends is bounded, also byte by byte', () => {
  const endless = bytesOf(`${CHUNKED}0\r\n${'a: b\r\n'.repeat(20_000)}`);
  assert.equal(parsePieces([endless], ONE).error, 'TRAILERS_TOO_LARGE');
  assert.equal(parseBytewise(endless, ONE).error, 'TRAILERS_TOO_LARGE');
});

test('a head that comes byte by byte is not copied anew with each', (t) => {
  let copiedBytes = 0;
  const { copy } = Buffer.prototype;
  t.mock.method(
    Buffer.prototype,
    'copy',
    function (this: Buffer, ...args: Parameters<typeof copy>) {
      const copied = copy.apply(this, args);
      copiedBytes += copied;
      return copied;
    },
  );
  const { concat } = Buffer;
  t.mock.method(Buffer, 'concat', (list: Uint8Array[], totalLength?: number) => {
    copiedBytes += list.reduce((sum, { length }) => sum + length, 0);
    return concat(list, totalLength);
  });
  const parser = new ResponseParser({ onParsedHead: () => {}, onParsedData: () => {} });
  const head = bytesOf(`${OK}a: ${'v'.repeat(60_000)}\r\n\r\n`);
  parser.begin(false);
  for (let at = 0; at < head.length; at += 1) parser.parse(head.subarray(at, at + 1));
  assert.ok(copiedBytes >= head.length, 'the copies were counted');
  assert.ok(copiedBytes < head.length * 4, `${copiedBytes} bytes copied for ${head.length}`);
});

test('a parser between answers takes nothing', () => {
  const parser = new ResponseParser({
    onParsedHead: () => assert.fail('a head'),
    onParsedData: () => assert.fail('data'),
  });
  assert.equal(parser.isIdle, true);
  assert.equal(parser.parse(bytesOf(`${OK}\r\n`)), 0);
  assert.equal(parser.finish(), false);
});

test('an answer after one that was cut begins afresh', () => {
  const bodies: string[] = [];
  const parser = new ResponseParser({
    onParsedHead: () => {},
    onParsedData: (bytes) => bodies.push(bytes.toString()),
  });
  parser.begin(false);
  parser.parse(bytesOf(`${CHUNKED}0\r\ntrai`));
  assert.equal(parser.finish(), false);
  parser.begin(false);
  parser.parse(bytesOf(`${CHUNKED}1\r\nx\r\n0\r\n\r\n`));
  assert.equal(parser.isIdle, true);
  assert.deepEqual(bodies, ['x']);
});

/** Heads of every kind, whole, damaged and cut: what is made of them is what a plain reading with regular expressions does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MalformedResponse, readHeaders } from '../../src/upstream/response-head.js';
import { ResponseParser } from '../../src/upstream/response-parser.js';
import { splitAt } from '../helpers/byte-splits.js';
import { parsePieces } from '../helpers/parsed-answers.js';
import { judgePieces, type Verdict } from '../helpers/response-head-oracle.js';

const NAMES = [
  ...['content-type', 'content-encoding', 'content-length', 'transfer-encoding', 'connection'],
  ...['keep-alive', 'alt-svc', 'date', 'proxy-authenticate', 'proxy-authorization'],
  ...['proxy-connection', 'te', 'trailer', 'upgrade', 'x-weir-id', 'x-request-id', 'x-', 'x'],
  ...['a', 'set-cookie', 'server', 'ta', 'close', "!#$%&'*+-.^_`|~09AZaz", 'content_length'],
  ...['strict-transport-security', 'connectioN', 'content-lengtg', '\x0date', 'na me', '', 'n\xe9'],
];
const VALUES = [
  ...['', '5', '0', '00012', '123456789012345', '1234567890123456', '5,5', '+5', '0x5', '5 5', '/'],
  ...['chunked', 'gzip, chunked', 'identity', 'gzip', 'chunkee', 'keep-alive', 'close', 'x-hop'],
  ...[
    'close, a',
    'keep-alive, close',
    'xclose',
    'server',
    'timeout=5',
    'timeout=1234567',
    'timeout=',
  ],
  ...['max=1, timeout=30', 'max=1;timeout=9', 'timeout=, timeout=7', 'x-timeout=7', 'timeout=x'],
  ...[
    'text/event-stream',
    'text/event-stream; charset=utf-8',
    'text/event-strea',
    'application/json',
  ],
  ...[
    'a\tb',
    '\xff\x7e\x80',
    'abc\xff\x7e',
    '\x7f',
    '\x1f',
    '\0',
    'a\rb',
    'a\nb',
    'a\r\n b',
    'long '.repeat(9),
  ],
];
const SPACES = ['', ' ', ' ', ' ', '\t', ' \t ', '\xa0', '\x0c'];
const STATUS_LINES = [
  ...['HTTP/1.1 200 OK', 'HTTP/1.1 200 OK', 'HTTP/1.1 200 OK', 'HTTP/1.0 200 OK', 'HTTP/1.1 200'],
  ...['HTTP/1.1 200 ', 'HTTP/1.1 429 Too Many Requests', 'HTTP/1.1 200 Fine', 'HTTP/1.1 200 K'],
  ...[
    'HTTP/1.1 529 \xe9',
    'HTTP/1.1 799 Unknown',
    'HTTP/1.1 200 OK ',
    'HTTP/1.1 200OK',
    'HTTP/1.1 099 x',
  ],
  ...[
    'HTTP/1.1 204 No Content',
    'HTTP/1.1 2000 OK',
    'HTTP/1.2 200 OK',
    'HTTP/2 200 OK',
    'HTTP/1.1 2x0 OK',
  ],
  ...[
    'http/1.1 200 OK',
    'HTTP/1.1  200 OK',
    'HTTP/1.1 999',
    'HTTP/1.1 200 O\0K',
    'HTTP/1.1 200 O\rK',
    '',
  ],
];

function choose(texts: readonly string[]): fc.Arbitrary<string> {
  return fc.constantFrom(...texts);
}

function mixCase(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(text, fc.constantFrom('small', 'small', 'capitals', 'every other'))
    .map(([plain, how]) =>
      how === 'small'
        ? plain
        : plain.replace(/[a-z]/g, (letter, at: number) =>
            how === 'capitals' || at % 2 === 0 ? letter.toUpperCase() : letter,
          ),
    );
}

const anyLine = fc
  .tuple(mixCase(choose(NAMES)), choose(SPACES), mixCase(choose(VALUES)), choose(SPACES))
  .map(([name, before, value, after]) => `${name}:${before}${value}${after}`);
/** Without these nearly every head would be refused. */
const soundLine = mixCase(
  choose([
    'connection: keep-alive',
    'keep-alive: timeout=5, max=9',
    'content-type: text/event-stream',
    'x-request-id: 1',
    'date: Mon, 23 Nov 2026 02:00:00 GMT',
    'server:\tx\t',
    'Connection: x-request-id',
  ]),
);
const framingLine = choose(['content-length: 5', 'Transfer-Encoding: chunked']);
const head = fc
  .tuple(
    fc.oneof({ weight: 3, arbitrary: fc.constant('HTTP/1.1 200 OK') }, choose(STATUS_LINES)),
    fc.array(
      fc.oneof({ weight: 6, arbitrary: soundLine }, { weight: 2, arbitrary: framingLine }, anyLine),
      {
        maxLength: 8,
      },
    ),
  )
  .map(([statusLine, lines]) => [statusLine, ...lines, '', ''].join('\r\n'));

const damage = fc.record({
  at: fc.nat({ max: 2000 }),
  removed: fc.nat({ max: 2 }),
  inserted: choose(['', '', '\r', '\n', '\r\n', '\0', ' ', ':', '\t', '\x7f', '\x80', '0', 'x']),
});
const cuts = fc.array(fc.nat({ max: 2000 }), { maxLength: 6 });

/** To the end of its first head, if it has one. */
function cutBehindHead(text: string): Buffer {
  const end = text.indexOf('\r\n\r\n');
  return Buffer.from(end < 0 ? text : text.slice(0, end + 4), 'latin1');
}

function parse(pieces: readonly Buffer[]): Verdict {
  const { answers, error } = parsePieces(pieces, { toHead: [false] });
  return error ?? answers[0]?.head ?? null;
}

/** With nothing in the memory behind the bytes. */
function parseExactly(bytes: Buffer): Verdict {
  let verdict: Verdict = null;
  const parser = new ResponseParser({
    onParsedHead: (parsed) => {
      verdict = parsed;
    },
    onParsedData: () => {},
  });
  parser.begin(false);
  try {
    parser.parse(bytes);
  } catch (error) {
    if (!(error instanceof MalformedResponse)) throw error;
    return error.code;
  }
  return verdict;
}

function splitInto(bytes: Buffer, numbers: readonly number[]): readonly Buffer[] {
  const points = numbers.map((number) => number % bytes.length).filter((point) => point > 0);
  return splitAt(
    bytes,
    [...new Set(points)].sort((one, other) => one - other),
  );
}

test('any head is read, or refused with the same error, as by the plain reading', () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(head, fc.option(damage), cuts, (text, harm, numbers) => {
      const place = harm === null ? 0 : harm.at % text.length;
      const harmed =
        harm === null
          ? text
          : text.slice(0, place) + harm.inserted + text.slice(place + harm.removed);
      const bytes = cutBehindHead(harmed);
      fc.pre(bytes.length > 0);
      const expected = judgePieces([bytes]);
      assert.deepEqual(parse([bytes]), expected);
      const pieces = splitInto(bytes, numbers);
      assert.deepEqual(parse(pieces), judgePieces(pieces));
      const kind = typeof expected === 'string' ? expected : expected === null ? 'more' : 'head';
      seen.set(kind, (seen.get(kind) ?? 0) + 1);
    }),
    { numRuns: 10_000 },
  );
  const kinds = ['head', 'more', 'STATUS_LINE', 'HEADER', 'BARE_LF', 'CONTENT_LENGTH'];
  for (const kind of [...kinds, 'TRANSFER_ENCODING', 'LENGTH_AND_CHUNKED']) {
    assert.ok((seen.get(kind) ?? 0) >= 10, `${kind} was tried ${seen.get(kind) ?? 0} times`);
  }
});

test('every byte at every place of a line is judged as by the plain reading', () => {
  for (const line of ['te: x', 'server: abcdefgh', 'content-length: 12', 'connection: close']) {
    for (let at = 0; at <= line.length; at += 1) {
      for (let byte = 0; byte < 256; byte += 1) {
        const harmed = line.slice(0, at) + String.fromCharCode(byte) + line.slice(at + 1);
        const bytes = cutBehindHead(`HTTP/1.1 200 OK\r\n${harmed}\r\na: b\r\n\r\n`);
        assert.deepEqual(parse([bytes]), judgePieces([bytes]), JSON.stringify(harmed));
      }
    }
  }
});

test('every byte at every place of a status line is judged as by the plain reading', () => {
  for (const line of ['HTTP/1.1 200 OK', 'HTTP/1.0 429 Slow down']) {
    for (let at = 0; at <= line.length; at += 1) {
      for (let byte = 0; byte < 256; byte += 1) {
        const harmed = line.slice(0, at) + String.fromCharCode(byte) + line.slice(at + 1);
        // Interim heads are not told; they have their own tests.
        if (harmed.startsWith('HTTP/1.1 1') || harmed.startsWith('HTTP/1.0 1')) continue;
        const bytes = cutBehindHead(`${harmed}\r\na: b\r\n\r\n`);
        assert.deepEqual(parse([bytes]), judgePieces([bytes]), JSON.stringify(harmed));
      }
    }
  }
});

test('a head is read alike up to the last byte of the memory it is in', () => {
  fc.assert(
    fc.property(head, (text) => {
      const bytes = cutBehindHead(text);
      for (let length = Math.max(1, bytes.length - 8); length <= bytes.length; length += 1) {
        const part = Buffer.from(new Uint8Array(bytes.subarray(0, length)).buffer);
        assert.deepEqual(parseExactly(part), judgePieces([part]));
      }
    }),
    { numRuns: 500 },
  );
});

test('lines that another engine has parsed are read as those of a head', () => {
  fc.assert(
    fc.property(fc.array(soundLine, { maxLength: 6 }), (lines) => {
      const text = lines.map((line) => `${line}\r\n`).join('');
      const whole = judgePieces([Buffer.from(`HTTP/1.1 200 OK\r\n${text}\r\n`, 'latin1')]);
      assert.deepEqual(readHeaders(200, 'OK', text), whole);
    }),
  );
});

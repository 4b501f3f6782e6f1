/** What of a provider's head passes to the client, and what Weir learns from it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatStatus,
  MalformedResponse,
  type ResponseHead,
  readHeaders,
  scanHead,
  takeHead,
} from '../../../src/upstream/response-head.js';

/** The whole head but for its empty line, in the middle of other bytes. */
function parseHead(text: string): ResponseHead {
  const bytes = Buffer.from(`\r\n${text}\r\na: b\r\n\r\n`, 'latin1');
  const end = scanHead(bytes, 2, bytes.length);
  if (end < 0) throw new MalformedResponse(String(end));
  assert.equal(end, text.length + 4);
  return takeHead();
}

function parse(lines: readonly string[], statusLine = 'HTTP/1.1 200 OK'): ResponseHead {
  return parseHead([statusLine, ...lines].map((line) => `${line}\r\n`).join(''));
}

test('lines pass as they came, in their order, case and spacing', () => {
  const lines = [
    'X-Request-ID:req_1',
    'set-cookie:  a=b',
    'Set-Cookie: c=d',
    'openai-organization: \t',
    'empty:',
  ];
  assert.equal(parse(lines).lines, lines.map((line) => `${line}\r\n`).join(''));
  assert.equal(parse([]).lines, '');
  assert.equal(parseHead('HTTP/1.1 200 OK\r\n').lines, '');
});

test('hop-by-hop and framing headers, date, alt-svc and Weir’s own name do not pass', () => {
  const dropped = [
    'Content-Length: 5',
    'Connection: keep-alive',
    'Keep-Alive: timeout=5',
    'Proxy-Connection: x',
    'Proxy-Authenticate: x',
    'proxy-authorization: x',
    'TE: trailers',
    'Trailer: x',
    'Upgrade: h2c',
    'Date: Mon',
    'Alt-Svc: h3=":443"',
    'X-Weir-Id: forged',
  ];
  assert.equal(parse(dropped).lines, '');
  for (const line of [...dropped, 'transfer-encoding: chunked']) {
    assert.equal(parse(['a: b', line, 'c: d']).lines, 'a: b\r\nc: d\r\n', line);
  }
  // As long as names that are dropped, and harmless.
  const similar = [
    'ag: x',
    'dape: x',
    'x-weir-ix: x',
    'content-lengths: 1',
    'server: x',
    'x-content-type-options: x',
  ];
  assert.equal(parse(similar).lines, similar.map((line) => `${line}\r\n`).join(''));
});

test('headers that connection names do not pass, however it is spelled', () => {
  for (const value of ['x-hop', 'close, X-Hop', ' ,x-hop ,, keep-alive', 'X-HOP\t,close']) {
    assert.equal(
      parse([`Connection: ${value}`, 'X-Hop: 1', 'x-hop-2: 2']).lines,
      'x-hop-2: 2\r\n',
      value,
    );
  }
  const twice = parse(['connection: x-one', 'X-One: 1', 'a: b', 'connection: x-two', 'x-two: 2']);
  assert.equal(twice.lines, 'a: b\r\n');
});

test('the length, the chunks, and whether the provider closes', () => {
  assert.throws(() => parse(['content-length: \xa05']), { code: 'CONTENT_LENGTH' });
  assert.equal(parse(['content-length: 00012']).contentLength, 12);
  assert.equal(parse([]).contentLength, -1);
  assert.equal(parse(['transfer-encoding: Chunked']).isChunked, true);
  assert.equal(parse([]).isChunked, false);
  assert.equal(parse([]).closes, false);
  assert.equal(parse(['connection: Close']).closes, true);
  assert.equal(parse(['connection: x', 'connection: close']).closes, true);
  const old = 'HTTP/1.0 200 OK';
  assert.equal(parse([], old).closes, true);
  assert.equal(parse(['connection: Keep-Alive', 'content-length: 1'], old).closes, false);
  assert.equal(parse(['connection: keep-alive', 'transfer-encoding: chunked'], old).closes, true);
});

test('the keep-alive hint', () => {
  const hints: Record<string, number> = {
    'timeout=5': 5000,
    'timeout=5, max=100': 5000,
    'max=100, Timeout=30': 30_000,
    'max=100;timeout=0': 0,
    'x-timeout=7': -1,
    'timeout=, timeout=7': 7000,
    'timeout=1234567': 123_456_000,
    'timeout=': -1,
    'timeout=-1': -1,
    'timeout=abc': -1,
    '': -1,
  };
  for (const [value, hintMs] of Object.entries(hints)) {
    assert.equal(parse([`keep-alive: ${value}`]).keepAliveHintMs, hintMs, value);
  }
  assert.equal(parse([]).keepAliveHintMs, -1);
});

test('event streams, encodings and names with x- are recognised', () => {
  assert.equal(parse(['a: x-b', 'xa: 1']).hasExtensions, false);
  assert.equal(parse(['a: b', 'X-RateLimit-Limit: 1']).hasExtensions, true);
  assert.equal(parse(['Content-Type: Text/Event-Stream; charset=utf-8']).isEventStream, true);
  assert.equal(parse(['content-type: application/json']).isEventStream, false);
  assert.equal(parse(['content-encoding: gzip']).isEncoded, true);
  assert.equal(parse(['content-encoding: identity']).isEncoded, false);
  assert.equal(parse([]).isEncoded, false);
});

test('the status line keeps the provider’s words if they are plain text', () => {
  const cases: Record<string, string> = {
    'HTTP/1.1 200 OK': '200 OK',
    'HTTP/1.1 200 ok': '200 ok',
    'HTTP/1.0 200 OK': '200 OK',
    'HTTP/1.1 200 Fine': '200 Fine',
    'HTTP/1.1 200': '200 OK',
    'HTTP/1.1 200 ': '200 OK',
    'HTTP/1.1 429 Too Many Requests': '429 Too Many Requests',
    'HTTP/1.1 529 ': '529 Unknown',
    'HTTP/1.1 529 Overloaded': '529 Overloaded',
    'HTTP/1.1 200 \xe9': '200 OK',
    'HTTP/1.1 200 K': '200 K',
  };
  for (const [line, expected] of Object.entries(cases)) {
    assert.equal(parse([], line).statusLine, expected, line);
  }
  assert.equal(formatStatus(404), '404 Not Found');
  assert.equal(formatStatus(799), '799 Unknown');
});

test('a status of no class is malformed', () => {
  for (const line of ['HTTP/1.1 099 No', 'HTTP/1.1 600 OK', 'HTTP/1.1 999 Denied']) {
    assert.throws(() => parse([], line), MalformedResponse, line);
  }
  assert.equal(parse([], 'HTTP/1.1 599 Gone').status, 599);
  assert.throws(() => readHeaders(600, 'OK', 'a: b\r\n'), MalformedResponse);
});

test('what another engine has parsed is judged by the same rules', () => {
  const head = readHeaders(200, 'OK', 'content-length: 5\r\nconnection: close\r\na: b\r\n');
  assert.deepEqual([head.contentLength, head.closes, head.lines], [5, true, 'a: b\r\n']);
  for (const lines of [
    'content-length: 5\r\ncontent-length: 5\r\n',
    'transfer-encoding: gzip\r\n',
    'a: b\r\n\r\nc: d\r\n',
    'a: b',
  ]) {
    assert.throws(() => readHeaders(200, '', lines), MalformedResponse);
  }
});

test('a long head is read in time, valid or not', () => {
  const lines = `${'a'.repeat(30)}: ${'b'.repeat(30)}\r\n`.repeat(1000);
  const startedMs = performance.now();
  for (let i = 0; i < 20; i += 1) {
    assert.equal(parseHead(`HTTP/1.1 200 OK\r\n${lines}`).lines, lines);
    assert.throws(() => parseHead(`HTTP/1.1 200 OK\r\n${lines}\0`), MalformedResponse);
    assert.throws(
      () => parseHead(`HTTP/1.1 200 OK\r\n${'a'.repeat(64_000)}\r\n`),
      MalformedResponse,
    );
  }
  assert.ok(performance.now() - startedMs < 2000, 'no backtracking without end');
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { choosePoints, findHostilePoints, splitAt } from '../../helpers/byte-splits.js';
import { LAST_CHUNK, renderChunk, renderRequest, renderResponse } from '../../helpers/http-text.js';
import { parseMetrics, sumMetric } from '../../helpers/metrics-text.js';
import { SeededRandom } from '../../helpers/seeded-random.js';
import {
  type MessageKind,
  MessageParser,
  type ParserOptions,
  ProtocolViolation,
} from '../../helpers/strict-http.js';

function parse(text: string | Buffer, kind: MessageKind = 'response', options?: ParserOptions) {
  const parser = new MessageParser(kind, options);
  const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : text;
  const rest = parser.push(bytes);
  return { message: parser.message, rest: rest.toString('latin1'), parser };
}

describe('strict parser', () => {
  it('reads a body by length and leaves the next message alone', () => {
    const { message, rest } = parse('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1');
    assert.equal(message.text, 'hi');
    assert.equal(message.complete, true);
    assert.equal(rest, 'HTTP/1.1');
  });

  it('reads chunks however the bytes are cut', () => {
    const random = new SeededRandom(1);
    const bytes = Buffer.concat([
      Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'),
      renderChunk('hello '),
      renderChunk('world'),
      LAST_CHUNK,
    ]);
    for (let round = 0; round < 200; round++) {
      const parser = new MessageParser('response');
      for (const piece of splitAt(bytes, choosePoints(bytes, random, { meanBytes: 3 }))) {
        parser.push(piece);
      }
      assert.equal(parser.message.text, 'hello world');
      assert.deepEqual(parser.message.chunkSizes, [6, 5]);
      assert.equal(parser.isDone, true);
    }
  });

  it('knows an answer that broke off from one that is whole', () => {
    const chunked = parse('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n');
    chunked.parser.finish();
    assert.equal(chunked.message.complete, false);
    const closed = parse('HTTP/1.1 200 OK\r\n\r\nhi');
    closed.parser.finish();
    assert.equal(closed.message.complete, true);
  });

  it('expects no body after HEAD, 204, 304 and 1xx', () => {
    for (const status of [103, 204, 304]) {
      const { message, rest } = parse(`HTTP/1.1 ${status} X\r\nContent-Length: 5\r\n\r\nrest`);
      assert.equal(message.complete, true);
      assert.equal(rest, 'rest');
    }
    const head = parse('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'response', {
      toHead: true,
    });
    assert.equal(head.message.complete, true);
  });

  it('reads requests', () => {
    const { message } = parse(renderRequest({ target: '/v1/x?y', body: 'abc' }), 'request');
    assert.deepEqual([message.method, message.target, message.text], ['POST', '/v1/x?y', 'abc']);
    const chunked = renderRequest({ body: 'abc', framing: 'chunked' });
    assert.equal(parse(chunked, 'request').message.text, 'abc');
  });

  const violations: [string, MessageKind, string][] = [
    [
      'two lengths',
      'response',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na',
    ],
    [
      'length and chunked',
      'response',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    ],
    ['bare line feed', 'response', 'HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n'],
    ['bare carriage return', 'response', 'HTTP/1.1 200 OK\r\nX: a\rY: b\r\n\r\n'],
    ['space before colon', 'response', 'HTTP/1.1 200 OK\r\nX : a\r\n\r\n'],
    ['folded line', 'response', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n'],
    ['empty name', 'response', 'HTTP/1.1 200 OK\r\n: a\r\n\r\n'],
    [
      'chunk size with sign',
      'response',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\n',
    ],
    [
      'chunk longer than its size',
      'response',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n',
    ],
    ['old version', 'response', 'HTTP/1.0 200 OK\r\n\r\n'],
    ['no host', 'request', 'GET / HTTP/1.1\r\n\r\n'],
    ['two hosts', 'request', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    ['space in target', 'request', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n'],
  ];
  for (const [name, kind, text] of violations) {
    it(`rejects: ${name}`, () => assert.throws(() => parse(text, kind), ProtocolViolation));
  }
});

describe('small helpers', () => {
  it('cuts at hostile points and loses nothing', () => {
    const bytes = Buffer.from('data: ü€😀\r\n\r\n');
    assert.deepEqual(
      splitAt(bytes, findHostilePoints(bytes)).length,
      findHostilePoints(bytes).length + 1,
    );
    const random = new SeededRandom(7);
    const points = choosePoints(bytes, random, { meanBytes: 2, hostileShare: 1 });
    assert.deepEqual(Buffer.concat(splitAt(bytes, points)), bytes);
  });

  it('repeats with the same seed', () => {
    assert.deepEqual(new SeededRandom(5).bytes(20), new SeededRandom(5).bytes(20));
    assert.notDeepEqual(new SeededRandom(5).bytes(20), new SeededRandom(6).bytes(20));
  });

  it('sums metrics', () => {
    const samples = parseMetrics('# HELP a b\na{x="1",y="q\\"}"} 2\na{x="2"} 3\nb 4e3\n');
    assert.equal(sumMetric(samples, 'a'), 5);
    assert.equal(sumMetric(samples, 'a', { x: '1' }), 2);
    assert.equal(sumMetric(samples, 'b'), 4000);
  });

  it('renders responses', () => {
    const text = renderResponse({ status: 201, headers: [['a', 'b']], body: 'x' }).toString();
    assert.equal(text, 'HTTP/1.1 201 OK\r\na: b\r\ncontent-length: 1\r\n\r\nx');
  });
});

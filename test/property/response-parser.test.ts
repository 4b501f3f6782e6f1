/** Generated answers, cut anywhere: the same head and the same bytes as in one piece; mutated ones: the same verdict. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Conversation,
  type ParsedConnection,
  parseBytewise,
  parsePieces,
  parseSplit,
} from '../helpers/parsed-answers.js';

const bodyText = fc
  .array(
    fc.constantFrom(
      'a',
      '\r',
      '\n',
      '\r\n',
      '0\r\n\r\n',
      'HTTP/1.1 200 OK\r\n\r\n',
      '\0',
      '\xff',
      'data: x\n\n',
    ),
    {
      maxLength: 12,
    },
  )
  .map((parts) => parts.join(''));
const extension = fc.constantFrom('', ';a', ';a=b', ' ;a="b;c"', ';\xe9');
const trailers = fc.constantFrom('', 'a: b\r\n', 'x-sum: 1\r\nx-other: \xe9\r\n');
const reason = fc.constantFrom(' OK', '', ' ', ' Very \xe9');
const fields = fc
  .array(
    fc.constantFrom(
      'a: b',
      'server:x',
      'set-cookie: c=d;\t',
      'keep-alive: timeout=5',
      'x-\x7e: \xff',
    ),
    {
      maxLength: 5,
    },
  )
  .map((lines) => lines.map((line) => `${line}\r\n`).join(''));

interface Answer {
  readonly text: string;
  readonly status: number;
  readonly body: string;
  readonly toHead: boolean;
  readonly endsByClose: boolean;
}

function renderChunked(
  pieces: readonly string[],
  ext: string,
  after: string,
  hasLeadingZeros: boolean,
): string {
  const zeros = hasLeadingZeros ? '000' : '';
  const chunks = pieces
    .filter((piece) => piece !== '')
    .map((piece) => `${zeros}${piece.length.toString(16)}${ext}\r\n${piece}\r\n`);
  return `${chunks.join('')}${zeros}0${ext}\r\n${after}\r\n`;
}

const answer: fc.Arbitrary<Answer> = fc
  .record({
    kind: fc.constantFrom('length', 'chunked', 'close', '204', '304', 'head'),
    pieces: fc.array(bodyText, { maxLength: 4 }),
    interim: fc.array(fc.constantFrom('100 Continue\r\n', '103 Early Hints\r\nlink: </a>\r\n'), {
      maxLength: 2,
    }),
    extension,
    trailers,
    reason,
    fields,
    hasLeadingZeros: fc.boolean(),
  })
  .map(
    ({
      kind,
      pieces,
      interim,
      extension: ext,
      trailers: after,
      reason: words,
      fields: lines,
      hasLeadingZeros,
    }) => {
      const body = pieces.join('');
      const status = kind === '204' || kind === '304' ? Number(kind) : 200;
      const before = interim.map((text) => `HTTP/1.1 ${text}\r\n`).join('');
      const start = `${before}HTTP/1.1 ${status}${words}\r\n${lines}`;
      const asLength = `content-length: ${body.length}\r\n\r\n`;
      const texts: Record<string, string> = {
        length: `${asLength}${body}`,
        chunked: `transfer-encoding: chunked\r\n\r\n${renderChunked(pieces, ext, after, hasLeadingZeros)}`,
        close: `\r\n${body}`,
        204: '\r\n',
        304: asLength,
        head: hasLeadingZeros ? asLength : 'transfer-encoding: chunked\r\n\r\n',
      };
      const hasBody = kind === 'length' || kind === 'chunked' || kind === 'close';
      return {
        text: start + texts[kind],
        status,
        body: hasBody ? body : '',
        toHead: kind === 'head',
        endsByClose: kind === 'close',
      };
    },
  );

/** Answers in turn on one connection; one that ends by the connection's end is the last. */
const conversation = fc.array(answer, { minLength: 1, maxLength: 4 }).map((answers) => {
  const last = answers.findIndex(({ endsByClose }) => endsByClose);
  const kept = last < 0 ? answers : answers.slice(0, last + 1);
  return {
    bytes: Buffer.from(kept.map(({ text }) => text).join(''), 'latin1'),
    talk: { toHead: kept.map(({ toHead }) => toHead), ends: true } satisfies Conversation,
    expected: kept.map(({ status, body }) => ({ status, body, isWhole: true })),
  };
});

const cuts = fc.array(fc.nat({ max: 4000 }), { maxLength: 12 });

function choosePoints(bytes: Buffer, numbers: readonly number[]): number[] {
  return [...new Set(numbers.map((number) => number % bytes.length))].sort(
    (one, other) => one - other,
  );
}

test('valid answers are told whole and unaltered, however they are cut', () => {
  fc.assert(
    fc.property(conversation, cuts, ({ bytes, talk, expected }, numbers) => {
      const whole = parsePieces([bytes], talk);
      assert.equal(whole.error, null);
      assert.equal(whole.leftoverBytes, 0);
      assert.deepEqual(
        whole.answers.map(({ head, body, isWhole }) => ({ status: head.status, body, isWhole })),
        expected,
      );
      assert.deepEqual(parseSplit(bytes, choosePoints(bytes, numbers), talk), whole);
      assert.deepEqual(parseBytewise(bytes, talk), whole);
    }),
    { numRuns: 1000 },
  );
});

/** What is told, but for why it is wrong: in one piece another rule may be broken first. */
function judge({ answers, error, leftoverBytes }: ParsedConnection): unknown {
  return { answers, isError: error !== null, leftoverBytes: error === null ? leftoverBytes : 0 };
}

const damage = fc.record({
  at: fc.nat({ max: 4000 }),
  removed: fc.nat({ max: 3 }),
  inserted: fc.constantFrom(
    '',
    '\r',
    '\n',
    '\r\n',
    '\0',
    ' ',
    ':',
    '0',
    'f',
    ';',
    '\xff',
    'content-length: 1\r\n',
  ),
});

test('damaged answers get the same verdict, and as much is told of them, however they are cut', () => {
  let errors = 0;
  fc.assert(
    fc.property(
      conversation,
      damage,
      cuts,
      ({ bytes, talk }, { at, removed, inserted }, numbers) => {
        const place = at % bytes.length;
        const damaged = Buffer.concat([
          bytes.subarray(0, place),
          Buffer.from(inserted, 'latin1'),
          bytes.subarray(place + removed),
        ]);
        fc.pre(damaged.length > 0);
        const whole = judge(parsePieces([damaged], talk));
        if (parsePieces([damaged], talk).error !== null) errors += 1;
        assert.deepEqual(judge(parseSplit(damaged, choosePoints(damaged, numbers), talk)), whole);
        assert.deepEqual(judge(parseBytewise(damaged, talk)), whole);
      },
    ),
    { numRuns: 2000 },
  );
  assert.ok(errors > 200, `${errors} of the damaged were errors`);
});

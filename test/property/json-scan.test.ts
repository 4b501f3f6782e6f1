import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createJsonScan,
  type JsonScan,
  readJsonBoolean,
  readJsonInteger,
  readJsonString,
  resetJsonScan,
  SCANNED_KEYS,
  scanJson,
} from '../../src/inspect/json-scan.js';
import { encodeJsonString } from '../../src/inspect/json-token.js';

const spacing = fc.constantFrom('', '', '', ' ', '\n', '\t \r\n');

/** Strings that look like the structure around them. */
const hostileText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc
    .array(
      fc.constantFrom(
        '"',
        '\\',
        '{',
        '}',
        '[',
        ']',
        ':',
        ',',
        '"model":"x"',
        'model',
        'ü😀',
        '\u2028',
        '\0',
      ),
      {
        maxLength: 12,
      },
    )
    .map((pieces) => pieces.join('')),
  fc.nat({ max: 80 }).map((length) => '\\'.repeat(length)),
);

/** A string as a token of JSON, each character escaped in one of the ways there are. */
function writeString(text: string, choices: readonly number[]): string {
  let token = '';
  for (let i = 0; i < text.length; i++) {
    const plain = JSON.stringify(text[i]).slice(1, -1);
    const isEscaped = choices.length > 0 && choices[i % choices.length] === 0;
    token += isEscaped ? `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}` : plain;
  }
  // Pairs of surrogates were escaped one by one above; that is JSON too.
  return `"${token}"`;
}

const stringToken = fc
  .tuple(hostileText, fc.array(fc.nat({ max: 3 }), { maxLength: 5 }))
  .map(([text, choices]) => writeString(text, choices));
const numberToken = fc.oneof(
  fc.integer().map(String),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
  fc.constantFrom('0', '-0', '1e3', '1.0', '9007199254740993', '1E+2'),
);
const keyToken = fc.oneof(
  stringToken,
  fc
    .tuple(
      fc.constantFrom(...SCANNED_KEYS, 'Model', 'modelx', 'mode'),
      fc.array(fc.nat({ max: 3 }), { maxLength: 5 }),
    )
    .map(([key, choices]) => writeString(key, choices)),
);

const { value: valueToken } = fc.letrec<{ value: string; array: string; object: string }>(
  (tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.oneof(stringToken, numberToken, fc.constantFrom('true', 'false', 'null')),
      tie('array'),
      tie('object'),
    ),
    array: fc
      .tuple(fc.array(tie('value'), { maxLength: 4 }), spacing)
      .map(([items, space]) => `[${space}${items.join(`${space},`)}${space}]`),
    object: fc
      .tuple(fc.array(fc.tuple(keyToken, tie('value')), { maxLength: 4 }), spacing)
      .map(([entries, space]) => writeObject(entries, space)),
  }),
);

function writeObject(entries: readonly (readonly [string, string])[], space: string): string {
  const pairs = entries.map(([key, value]) => `${space}${key}${space}:${space}${value}${space}`);
  return `{${pairs.join(',') || space}}`;
}

interface Body {
  readonly bytes: Buffer;
  /** Parsed keys and raw values of the top level. */
  readonly entries: readonly (readonly [string, string])[];
}

const body: fc.Arbitrary<Body> = fc
  .tuple(fc.array(fc.tuple(keyToken, valueToken), { maxLength: 8 }), spacing, spacing)
  .map(([entries, space, around]) => ({
    bytes: Buffer.from(around + writeObject(entries, space) + around),
    entries: entries.map(([key, value]) => [JSON.parse(key) as string, value] as const),
  }));

/** Where a finished scan stood is of no meaning any more. */
function pickMeaningful(scan: JsonScan): Partial<JsonScan> {
  return scan.status === 'incomplete' ? scan : { status: scan.status, ranges: scan.ranges };
}

function countModels({ entries }: Body): number {
  return entries.filter(([key]) => key === 'model').length;
}

test('agrees with JSON.parse on every key', () => {
  const scan = createJsonScan();
  fc.assert(
    fc.property(body, (sample) => {
      const parsed = JSON.parse(sample.bytes.toString()) as Record<string, unknown>;
      resetJsonScan(scan);
      const status = scanJson(scan, sample.bytes, true);
      if (countModels(sample) > 1) {
        assert.equal(status, 'duplicate-key');
        return;
      }
      assert.equal(status, 'complete');
      for (const key of SCANNED_KEYS) {
        const { start, end } = scan[key];
        assert.equal(start >= 0, Object.hasOwn(parsed, key), key);
        if (start < 0) continue;
        const value = parsed[key];
        assert.deepEqual(JSON.parse(sample.bytes.toString('utf8', start, end)), value);
        assert.equal(
          readJsonString(sample.bytes, start, end),
          typeof value === 'string' ? value : null,
        );
        assert.equal(
          readJsonBoolean(sample.bytes, start, end),
          typeof value === 'boolean' ? value : null,
        );
        const integer = typeof value === 'number' && Number.isInteger(value) ? value + 0 : null;
        assert.equal(readJsonInteger(sample.bytes, start, end), integer);
      }
    }),
    { numRuns: 2000 },
  );
});

test('at every prefix, scanning on and scanning afresh find the same, and a model only once it is whole', () => {
  const fresh = createJsonScan();
  fc.assert(
    fc.property(body, fc.integer({ min: 1, max: 7 }), (sample, step) => {
      const whole = createJsonScan();
      scanJson(whole, sample.bytes, true);
      const continued = createJsonScan();
      for (let end = 0; end <= sample.bytes.length; end++) {
        const prefix = sample.bytes.subarray(0, end);
        resetJsonScan(fresh);
        scanJson(fresh, prefix, false);
        if (end % step === 0 || end === sample.bytes.length) {
          // Other memory on purpose: a body may have moved while it grew.
          scanJson(continued, Buffer.from(prefix), false);
          assert.deepEqual(pickMeaningful(continued), pickMeaningful(fresh));
        }
        if (whole.status !== 'complete') continue;
        assert.equal(fresh.status, 'incomplete');
        const { start, end: modelEnd } = whole.model;
        // A scalar is over only when the byte after it is seen.
        const isDelimited =
          sample.bytes[start] === 0x22 ||
          sample.bytes[start] === 0x7b ||
          sample.bytes[start] === 0x5b;
        const isSeen = start >= 0 && end >= modelEnd + (isDelimited ? 0 : 1);
        assert.deepEqual(fresh.model, isSeen ? whole.model : { start: -1, end: -1 });
      }
      assert.equal(scanJson(continued, sample.bytes, true), whole.status);
      assert.deepEqual(pickMeaningful(continued), pickMeaningful(whole));
    }),
    { numRuns: 500 },
  );
});

test('a cut or changed body never names a model that JSON.parse does not see', () => {
  const scan = createJsonScan();
  const change = fc.tuple(fc.nat(), fc.constantFrom(...Buffer.from('"\\{}[]:,/\'x 1')));
  fc.assert(
    fc.property(body, fc.array(change, { minLength: 1, maxLength: 3 }), ({ bytes }, changes) => {
      const changed = Buffer.from(bytes);
      for (const [at, byte] of changes) changed[at % changed.length] = byte;
      let parsed: unknown;
      try {
        parsed = JSON.parse(changed.toString());
      } catch {
        return;
      }
      resetJsonScan(scan);
      const status = scanJson(scan, changed, true);
      if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
        assert.equal(status, 'not-object');
        return;
      }
      if (status === 'duplicate-key') return;
      assert.equal(status, 'complete');
      assert.equal(scan.model.start >= 0, Object.hasOwn(parsed, 'model'));
      if (scan.model.start < 0) return;
      const seen = JSON.parse(
        changed.toString('utf8', scan.model.start, scan.model.end),
      ) as unknown;
      assert.deepEqual(seen, (parsed as Record<string, unknown>)['model']);
    }),
    { numRuns: 2000 },
  );
});

test('a patched model is the only change', () => {
  fc.assert(
    fc.property(body, hostileText, (sample, name) => {
      fc.pre(countModels(sample) === 1);
      const { bytes } = sample;
      const scan = createJsonScan();
      scanJson(scan, bytes, true);
      const token = encodeJsonString(name);
      const patched = Buffer.concat([
        bytes.subarray(0, scan.model.start),
        token,
        bytes.subarray(scan.model.end),
      ]);

      const { start, end } = scan.model;
      assert.deepEqual(patched.subarray(0, start), bytes.subarray(0, start));
      assert.deepEqual(patched.subarray(start + token.length), bytes.subarray(end));
      const expected = JSON.parse(bytes.toString()) as Record<string, unknown>;
      expected['model'] = name;
      assert.deepEqual(JSON.parse(patched.toString()), expected);
    }),
    { numRuns: 500 },
  );
});

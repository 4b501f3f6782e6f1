import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type AccessRecord,
  createAccessLine,
  type LineDestination,
} from '../../../src/observe/access-line.js';
import { createLogger } from '../../../src/observe/logger.js';
import { PrintedBefore } from '../../../src/observe/printed-before.js';
import { createRedact } from '../../../src/observe/redact.js';

const SECRET = 'sk-proj-T3BlbkFJ"\\/öabc123456';

const RECORD: AccessRecord = {
  wallMs: Date.now(),
  id: '01JD8Q5R7Z',
  consumer: 'team-a',
  method: 'POST',
  path: '/v1/chat/completions',
  client: '192.0.2.1',
  dialect: 'openai',
  model: 'gpt-4o',
  targetModel: 'gpt-4o-2024-08-06',
  provider: 'openai',
  status: 200,
  requestBytes: 4312,
  responseBytes: 1822,
  firstByteMs: 312.4004,
  durationMs: 2310.7,
  addedMs: 0.0412,
  ended: { by: 'upstream', phase: 'done', reason: 'complete' },
  end: '--',
  error: null,
  attempts: null,
  usage: null,
  sample: null,
};

/** As bytes and back, as a line that is said to be ASCII is written. */
function collect(lines: string[]): LineDestination {
  return {
    write: (line, isAscii) => lines.push(Buffer.from(line, isAscii ? 'ascii' : 'utf8').toString()),
  };
}

function writeLine(record: AccessRecord, secrets: readonly string[] = [SECRET]): string {
  const lines: string[] = [];
  createAccessLine(collect(lines), createRedact(secrets))(record);
  assert.equal(lines.length, 1);
  const [line = ''] = lines;
  assert.ok(line.endsWith('\n') && line.indexOf('\n') === line.length - 1, 'one line is one line');
  return line;
}

function parseLine(record: AccessRecord): Record<string, unknown> {
  return JSON.parse(writeLine(record)) as Record<string, unknown>;
}

test('the line has the documented fields, in the documented order', () => {
  const line = parseLine(RECORD);
  assert.ok(Math.abs(Number(line['time']) - Date.now()) < 60_000);
  assert.deepEqual(Object.entries({ ...line, time: 0 }), [
    ['level', 'info'],
    ['time', 0],
    ['id', '01JD8Q5R7Z'],
    ['consumer', 'team-a'],
    ['method', 'POST'],
    ['path', '/v1/chat/completions'],
    ['dialect', 'openai'],
    ['model', 'gpt-4o'],
    ['target_model', 'gpt-4o-2024-08-06'],
    ['provider', 'openai'],
    ['status', 200],
    ['request_bytes', 4312],
    ['response_bytes', 1822],
    ['first_byte_ms', 312.4],
    ['duration_ms', 2310.7],
    ['added_ms', 0.041],
    ['ended', { by: 'upstream', phase: 'done', reason: 'complete' }],
    ['end', '--'],
    ['msg', 'exchange'],
  ]);
});

test('what was settled stands there, and whether it is an estimate', () => {
  const usage = {
    inputTokens: 100,
    outputTokens: 20,
    cachedInputTokens: 40,
    reasoningTokens: 5,
    costNanoDollars: 400_000,
    isEstimated: false,
  };
  const printed = { input: 100, output: 20, cached_input: 40, reasoning: 5 };
  assert.deepEqual(parseLine({ ...RECORD, usage })['usage'], { ...printed, cost_dollars: 0.0004 });
  const estimate = { ...usage, costNanoDollars: null, isEstimated: true };
  assert.deepEqual(parseLine({ ...RECORD, usage: estimate })['usage'], {
    ...printed,
    cost_dollars: null,
    estimated: true,
  });
});

test('an exchange that ended early has nulls, and its error', () => {
  const line = parseLine({
    ...RECORD,
    consumer: null,
    dialect: null,
    model: null,
    targetModel: null,
    provider: null,
    status: null,
    firstByteMs: null,
    addedMs: Number.NaN,
    ended: { by: 'gateway', phase: 'reading', reason: 'bad_body' },
    error: { code: 'bad_body', detail: 'it names "model" twice' },
  });
  for (const name of [
    'consumer',
    'dialect',
    'model',
    'target_model',
    'provider',
    'status',
    'first_byte_ms',
    'added_ms',
  ]) {
    assert.equal(line[name], null, name);
  }
  assert.deepEqual(line['error'], { code: 'bad_body', detail: 'it names "model" twice' });
});

test('nothing that a client sends breaks the line or steers a terminal', () => {
  for (const text of [
    '/a"b\\c',
    '/\n{"level":"fatal"}\r\n',
    '/\u001b[31m\u0000',
    '/\u009b31m\u007f\u2028',
    '/\ud800x',
    '/ö☃🎉',
  ]) {
    const line = writeLine({ ...RECORD, path: text, model: text, method: text });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    assert.doesNotMatch(line.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
    const parsed = JSON.parse(line) as Record<string, unknown>;
    assert.equal(parsed['path'], text);
    assert.equal(parsed['model'], text);
  }
});

test('long texts are cut to their bound in bytes, between characters', () => {
  for (const char of ['a', 'ö', '☃', '🎉']) {
    for (const length of [1, 60, 64, 85, 86, 127, 128, 256, 257, 3000]) {
      const text = `/${char.repeat(length)}`;
      const path = String(parseLine({ ...RECORD, path: text })['path']);
      assert.ok(Buffer.byteLength(path) <= 256);
      if (Buffer.byteLength(text) <= 256) assert.equal(path, text);
      else
        assert.ok(
          path.endsWith('…') && text.startsWith(path.slice(0, -1)) && Buffer.byteLength(path) > 248,
        );
    }
  }
});

/** What the secret may look like in a line: as it is, as JSON writes it, as a URL writes it. */
function assertNoSecret(line: string, secret: string): void {
  for (const form of [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    secret.slice(0, 18),
  ]) {
    assert.ok(!line.includes(form), line);
  }
}

test('no text field of an access line can carry a secret, wherever it stands in it', () => {
  // The id is Weir's own.
  const fields = ['consumer', 'method', 'path', 'model', 'targetModel', 'provider'] as const;
  const texts = [0, 50, 110, 120, 240, 250, 300].map(
    (length) => `${'x '.repeat(length / 2)}${SECRET} tail`,
  );
  for (const text of [...texts, encodeURIComponent(SECRET), JSON.stringify(SECRET)]) {
    for (const field of fields) assertNoSecret(writeLine({ ...RECORD, [field]: text }), SECRET);
    assertNoSecret(
      writeLine({ ...RECORD, error: { code: 'gateway_error', detail: text } }),
      SECRET,
    );
    assertNoSecret(
      writeLine({ ...RECORD, ended: { by: 'gateway', phase: 'done', reason: text } }),
      SECRET,
    );
  }
});

test('no part of a secret is left where a message was cut in the middle of it', () => {
  const secret = 'a-secret-of-no-known-shape-which-is-long';
  const redact = createRedact([SECRET, secret]);
  for (let length = 8; length < secret.length; length += 1) {
    const cut = `The model "it is ${secret.slice(0, length)}…" … is not known…`;
    assert.equal(redact(cut), 'The model "it is [redacted]…" … is not known…');
  }
  assert.equal(redact('a-secret… and a-secret-'), '[redacted]… and a-secret-');
  for (const text of ['…', 'a-secret-of-mine…', 'a-secre…', '…a-secret-of-no']) {
    assert.equal(redact(text), text);
  }
});

test('keys of callers, which Weir knows only as digests, are masked by their shape', () => {
  for (const key of [
    'sk-ant-api03-abcdefghijklmnop',
    'wk-0123456789abcdef01',
    'AIzaSyA1234567890abcdefghijk',
    'hf_abcdefghijklmnopqrst',
  ]) {
    assertNoSecret(writeLine({ ...RECORD, path: `/v1/${key}/x`, model: key }, []), key);
    assertNoSecret(
      writeLine({ ...RECORD, error: { code: 'gateway_error', detail: `Bearer ${key}` } }, []),
      key,
    );
  }
  assert.match(writeLine({ ...RECORD, model: 'task-sk-x' }, []), /"task-sk-x"/);
});

test('no message, field, nested field or error of the primary’s own log can carry a secret', () => {
  const lines: string[] = [];
  const log = createLogger('trace', { write: (line) => lines.push(line) }, createRedact([SECRET]));
  log.info(SECRET);
  log.info({ a: { b: [SECRET] }, [SECRET]: 1 }, 'msg %s', SECRET);
  log.error(new Error(`refused: ${SECRET}`));
  log.child({ key: SECRET }).warn({ err: new Error('x', { cause: new Error(SECRET) }) }, 'y');
  log.debug('authorization: Bearer abc.def-ghi');
  assert.equal(lines.length, 5);
  for (const line of lines) {
    assertNoSecret(line, SECRET);
    assert.doesNotMatch(line, /abc\.def/);
    const parsed = JSON.parse(line) as Record<string, unknown>;
    assert.equal(typeof parsed['level'], 'string');
    assert.equal(typeof parsed['time'], 'number');
  }
});

test('the primary’s logger keeps to its level', () => {
  const lines: string[] = [];
  const log = createLogger('warn', { write: (line) => lines.push(line) }, createRedact([]));
  log.info('no');
  log.warn('yes');
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { msg: string }).msg),
    ['yes'],
  );
});

test('a text means the same whether or not it stood in a line before', () => {
  const lines: string[] = [];
  const write = createAccessLine(collect(lines), createRedact([SECRET]));
  for (let round = 0; round < 3; round += 1) {
    for (let index = 0; index < 700; index += 1) {
      const path = index % 7 === 0 ? `/${'ö'.repeat(index)}` : `/v1/${index}`;
      write({ ...RECORD, path, model: `m${index}`, durationMs: index * 1.0007 });
      const line = JSON.parse(lines.pop() ?? '') as Record<string, unknown>;
      assert.equal(line['model'], `m${index}`);
      assert.ok(Math.abs(Number(line['duration_ms']) - index * 1.0007) < 0.001);
      const printed = String(line['path']);
      assert.ok(printed === path || (printed.endsWith('…') && Buffer.byteLength(path) > 256));
      assert.ok(Buffer.byteLength(printed) <= 256);
    }
    write({ ...RECORD, path: SECRET, model: SECRET });
    assertNoSecret(lines.pop() ?? '', SECRET);
  }
});

test('a line is the same after any other lines as it is alone', () => {
  const choose = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
  const record: fc.Arbitrary<AccessRecord> = fc.record({
    wallMs: choose(1_763_900_000_000, 1_763_900_000_999.9),
    id: choose('a-1', 'a-2'),
    consumer: choose(null, 'team-a', 'team-ö', 'null'),
    method: choose('POST', 'GET'),
    path: choose('/v1/chat/completions', '/v1/"x"', `/${'y'.repeat(300)}`),
    client: choose('', '192.0.2.1', '192.0.2.2'),
    dialect: choose(null, 'openai', 'anthropic'),
    model: choose(null, 'm', 'ü', SECRET),
    targetModel: choose(null, 'm', 'n'),
    provider: choose(null, 'p', 'q'),
    status: choose(null, 200, 429),
    requestBytes: choose(1, 20),
    responseBytes: choose(0, 7),
    firstByteMs: choose(null, 1.5),
    durationMs: choose(2, 3.25),
    addedMs: choose(null, 0.1),
    ended: choose(
      { by: 'upstream', phase: 'done', reason: 'complete' } as const,
      { by: 'upstream', phase: 'streaming', reason: 'complete' } as const,
      { by: 'downstream', phase: 'done', reason: 'aborted' } as const,
    ),
    end: choose('--', 'CD'),
    error: choose(null),
    attempts: choose(null),
    usage: choose(null),
    sample: choose(null),
  });
  const withoutTime = (line: string): string => line.replace(/"time":\d+/, '"time":0');
  for (const showsClient of [false, true]) {
    const lines: string[] = [];
    const open = () => createAccessLine(collect(lines), createRedact([SECRET]), showsClient);
    const used = open();
    fc.assert(
      fc.property(fc.array(record, { maxLength: 8 }), (records) => {
        for (const each of records) {
          used(each);
          open()(each);
          const [afterOthers = '', alone = ''] = lines.splice(0);
          assert.equal(withoutTime(afterOthers), withoutTime(alone));
          JSON.parse(alone);
        }
      }),
    );
  }
});

test('only a line without any other character is said to be ASCII', () => {
  const told: boolean[] = [];
  const write = createAccessLine(
    { write: (line, isAscii = false) => told.push(isAscii && /^[\0-\x7f]*$/.test(line)) },
    createRedact([]),
  );
  const detail = { code: 'gateway_error', detail: 'ö' } as const;
  const attempt = { provider: 'ö', model: null, className: 'refused', ms: 1 };
  for (const set of [
    {},
    {},
    { consumer: 'ö' },
    { consumer: 'ö' },
    { model: 'ü' },
    { provider: 'ö' },
  ]) {
    write({ ...RECORD, ...set });
  }
  write({ ...RECORD, error: detail });
  write({ ...RECORD, attempts: [attempt] });
  assert.deepEqual(told, [true, true, false, false, false, false, false, false]);
});

test('the time of day is printed whole, whichever second it is', () => {
  for (const wallMs of [
    0, 7.9, 999.999, 1000, 1_763_900_000_000, 1_763_900_000_999.9, 1_763_900_001_000,
  ]) {
    assert.equal(parseLine({ ...RECORD, wallMs })['time'], Math.floor(wallMs));
  }
});

test('names that clients make up do not fill the memory', () => {
  const printed = new PrintedBefore(
    ({ path }) => path,
    (one, other) => one.path === other.path,
  );
  for (let index = 0; index < 2000; index += 1) {
    const path = `/${index}`;
    for (let times = 0; times < 3; times += 1) {
      assert.equal(printed.print(path, { ...RECORD, path }).text, path);
    }
    assert.ok(printed.size <= 512);
  }
});

test('a line that stands for others says so, at the end of its fields', () => {
  for (const sample of [0.01, 0.3, 1e-9]) {
    const entries = Object.entries(parseLine({ ...RECORD, sample }));
    assert.deepEqual(entries.slice(-2), [
      ['sample', sample],
      ['msg', 'exchange'],
    ]);
  }
});

test('attempts are written where there were any worth it', () => {
  assert.equal(parseLine(RECORD)['attempts'], undefined);
  const attempts = [
    { provider: 'a"b', model: null, className: 'refused', ms: 0.5 },
    { provider: 'c', model: 'm', className: 'ok', ms: 12 },
  ];
  assert.deepEqual(parseLine({ ...RECORD, attempts })['attempts'], [
    { provider: 'a"b', model: null, class: 'refused', ms: 0.5 },
    { provider: 'c', model: 'm', class: 'ok', ms: 12 },
  ]);
});

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { OperatorError } from '../../../src/core/errors.js';
import { BatchGatherer } from '../../../src/usage/batches.js';
import { runUsage } from '../../../src/usage/command.js';
import { createUsageRing, UsageRingWriter } from '../../../src/usage/ring.js';
import { SegmentWriter } from '../../../src/usage/segment-writer.js';
import { readTime } from '../../../src/usage/selection.js';
import { listSegments } from '../../../src/usage/spool.js';
import { UsageRecords } from '../../../src/usage/worker-records.js';
import { runWeir, ScratchFolder } from '../../helpers/command.js';
import { MINIMAL } from '../../helpers/config-files.js';
import { createTarget, createUsual } from '../../helpers/usage-exchanges.js';

const folder = new ScratchFolder();
const dir = `${folder.path}/usage`;
const HOUR_MS = 3_600_000;
const FIRST_MS = Date.UTC(2026, 10, 20, 22, 10);

before(async () => {
  const gatherer = new BatchGatherer();
  const memory = createUsageRing(1 << 20);
  gatherer.add(0, memory);
  const records = new UsageRecords(new UsageRingWriter(memory), (text) => text);
  const writer = new SegmentWriter({
    dir,
    writer: gatherer.writer,
    segmentBytesMax: 1 << 20,
    wallMs: () => FIRST_MS,
  });
  // An hour apart from each other: two on the 20th, four on the 21st.
  for (let number = 0; number < 6; number += 1) {
    const { exchange, endedMs } = createUsual();
    const startedMs = FIRST_MS + number * HOUR_MS - performance.timeOrigin;
    const { settled } = exchange;
    Object.assign(exchange, {
      id: `id-${number}`,
      startedMs,
      identity: {
        consumerIndex: 0,
        consumerName: number % 2 === 0 ? 'team "a", b' : 'z',
        keyHeaders: [],
      },
      model: number === 5 ? '\u001b[31mred\u009b\n' : 'gpt-4o',
      target: createTarget({ provider: number < 3 ? 'one' : 'two' }),
      settled:
        number === 4
          ? null
          : {
              ...settled,
              costNanoDollars: 9_007_199_254_740_991,
              isPriced: number !== 3,
              isEstimated: number === 2,
            },
    });
    records.write(exchange, endedMs);
  }
  const gathered = gatherer.gather();
  assert.ok(gathered);
  await writer.append(gathered.bytes);
  await writer.close();
  folder.write('weir.yaml', `${MINIMAL}state_dir: ${folder.path}\nusage: {}\n`);
});

after(() => folder.remove());

async function run(...args: string[]) {
  const result = await runWeir(['usage', ...args]);
  assert.deepEqual([result.code, result.stderr], [0, '']);
  return result.stdout;
}

function readLines(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('records are not printed as they were written', async () => {
  const text = await run('--dir', dir);
  const lines = readLines(text);
  assert.deepEqual(
    lines.map(({ id }) => id),
    [0, 1, 2, 3, 4, 5].map((number) => `id-${number}`),
  );
  assert.ok(Math.abs(Number(lines[1]?.['started_ms']) - FIRST_MS - HOUR_MS) < 1000);
  assert.equal(lines[5]?.['model'], '\u001b[31mred\u009b\n');
  assert.doesNotMatch(text.replaceAll('\n', ''), /\p{Cc}/u);
  assert.equal(await run('--config', `${folder.path}/weir.yaml`), text);
  const csv = (await run('--dir', dir, '--format', 'csv')).split('\r\n');
  assert.match(csv[0] ?? '', /^id,started_ms,consumer,/);
  assert.match(csv[1] ?? '', /^id-0,\d+,"team ""a"", b",/);
  assert.equal(csv.length, 8);
  assert.doesNotMatch(csv.join(''), /\p{Cc}/u);
});

test('what was not asked for is printed', async () => {
  const ids = async (...args: string[]): Promise<unknown[]> =>
    readLines(await run('--dir', dir, ...args)).map(({ id }) => id);
  assert.deepEqual(await ids('--to', '2026-11-21'), ['id-0', 'id-1']);
  assert.deepEqual(await ids('--from', '2026-11-21T00:30', '--to', '2026-11-21T03:30+01:00'), [
    'id-3',
    'id-4',
  ]);
  assert.deepEqual(await ids('--consumer', 'z', '--provider', 'two'), ['id-3', 'id-5']);
  assert.deepEqual(await ids('--model', 'gpt-4o', '--from', '2026-11-21T02:00Z'), ['id-4']);
});

test('files that are named in another order are taken for what was read already', async () => {
  const gatherer = new BatchGatherer();
  const memory = createUsageRing(1 << 20);
  gatherer.add(0, memory);
  const records = new UsageRecords(new UsageRingWriter(memory), (text) => text);
  const own = `${folder.path}/ordered`;
  for (let number = 1; number <= 2; number += 1) {
    const { exchange, endedMs } = createUsual(number);
    records.write(exchange, endedMs);
    const gathered = gatherer.gather();
    assert.ok(gathered);
    // A segment each, of one writer, whose batches go on counting.
    const { writer } = gatherer;
    const wallMs = (): number => FIRST_MS + number;
    const segments = new SegmentWriter({ dir: own, writer, segmentBytesMax: 1, wallMs });
    await segments.append(gathered.bytes);
    await segments.close();
  }
  const paths = (await listSegments(own)).map(({ path }) => path);
  assert.equal(paths.length, 2);
  assert.equal(readLines(await run(...paths.reverse())).length, 2);
});

test('sums are wrong', async () => {
  const rows = readLines(await run('--dir', dir, '--by', 'day,consumer', '--format', 'ndjson'));
  const [first] = rows;
  assert.deepEqual(first, {
    day: '2026-11-20',
    consumer: 'team "a", b',
    exchanges: 1,
    complete: 1,
    estimated: 0,
    unpriced: 0,
    input_tokens: 100,
    cached_input_tokens: 40,
    cache_write_tokens: 3,
    output_tokens: 20,
    reasoning_tokens: 5,
    audio_input_tokens: 0,
    audio_output_tokens: 300,
    cost_dollars: '9007199.254740991',
  });
  assert.deepEqual(
    rows.map(({ day, consumer, exchanges, estimated, unpriced, cost_dollars: cost }) =>
      [day, consumer, exchanges, estimated, unpriced, cost].join(' '),
    ),
    [
      '2026-11-20 team "a", b 1 0 0 9007199.254740991',
      '2026-11-20 z 1 0 0 9007199.254740991',
      '2026-11-21 team "a", b 2 1 0 9007199.254740991',
      '2026-11-21 z 2 0 1 9007199.254740991',
    ],
  );
  const table = await run('--dir', dir, '--sum');
  // Beyond what a float holds.
  assert.match(table, /^exchanges +complete .*\n +6 +6 +1 +1 +500 .* 36028797\.018963964\n$/);
  const csv = await run('--dir', dir, '--by', 'provider', '--format', 'csv');
  assert.match(csv, /^provider,exchanges,.*\r\none,3,.*\r\ntwo,3,/);
  assert.ok(!(await run('--dir', dir, '--by', 'model')).includes('\u001b'));
});

test('a mistake on the command line is not told', async () => {
  for (const [args, message] of [
    [['--by', 'colour'], /--by: expected some of consumer,/],
    [['--format', 'table'], /--format: expected ndjson or csv, got "table"/],
    [['--from', 'yesterday'], /--from: expected a date/],
    [['--from', '2026-13-01'], /--from: expected a date/],
    [['--what'], /Unknown option/],
    [['--dir', `${folder.path}/missing`], /no such directory/],
    [[`${folder.path}/missing.usage`], /no such file/],
    [['--config', `${folder.path}/missing.yaml`], /no such file/],
  ] as const) {
    const given = message.source.includes('no such') ? args : ['--dir', dir, ...args];
    await assert.rejects(runUsage(given), (error) => {
      assert.ok(error instanceof OperatorError, args.join(' '));
      assert.match(error.message, message);
      return true;
    });
  }
  const notOn = folder.write('off.yaml', MINIMAL);
  await assert.rejects(runUsage(['--config', notOn]), /not configured/);
  assert.match(await run('--help'), /weir usage/);
  const bad = folder.write('bad.usage', 'nonsense');
  const { code, stderr } = await runWeir(['usage', bad]);
  assert.equal(code, 1);
  assert.match(stderr, /bad\.usage: the file holds no usage records/);
});

test('times are taken for other ones', () => {
  const now = Date.UTC(2026, 10, 23, 10);
  assert.equal(readTime('--from', '24h', now), Date.UTC(2026, 10, 22, 10));
  assert.equal(readTime('--from', '2026-11-23', now), Date.UTC(2026, 10, 23));
  assert.equal(readTime('--from', '2026-11-23T10:00', now), now);
  assert.equal(readTime('--from', '2026-11-23T10:00:00.000Z', now), now);
  assert.equal(readTime('--from', '2026-11-23T12:00+02:00', now), now);
});

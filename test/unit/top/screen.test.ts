/** What `weir top` draws: within its width and height, sorted, and with nothing in it that steers the terminal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LiveSample, LiveShape } from '../../../src/observe/live-sample.js';
import { drawScreen, type Scene, SORT_DEFAULT } from '../../../src/top/screen.js';
import { clip, drawTable } from '../../../src/top/text-table.js';

const SHAPE: LiveShape = {
  startId: '1',
  version: '0.1.0',
  node: '20',
  startedAtMs: 0,
  workers: 2,
  routes: [
    { model: 'quiet', provider: 'openai' },
    { model: 'busy', provider: 'a-provider-with-a-long-name' },
    { model: 'evil\u001b[2J\r\n', provider: 'openai' },
  ],
  providers: ['openai', 'a-provider-with-a-long-name'],
  consumerCount: 3,
  heatBoundsMs: [0],
  percentiles: [50, 75, 90, 95, 99, 99.9, 99.99, 100],
};

function sample(atMs: number, answers: number): LiveSample {
  const route = (good: number) => ({
    statuses: [0, good, 0, 0, 0],
    aborted: 0,
    failed: 0,
    inputTokens: good * 10,
    outputTokens: good * 5,
    cachedInputTokens: 0,
    costNanoDollars: 0,
  });
  return {
    atMs,
    totals: {
      exchanges: answers,
      refused: 0,
      inFlight: 4,
      connections: 9,
      bytesReceived: 0,
      bytesSent: 0,
      memory: 2 ** 27,
    },
    routes: [route(answers / 10), route(answers), route(0)],
    targets: [
      { state: 'closed', words: '' },
      { state: 'open', words: '' },
      { state: 'half-open', words: '' },
    ],
    providers: [
      { connections: 3, queue: 0, rejected: 0 },
      { connections: 5, queue: 2, rejected: 1 },
    ],
    workers: [
      { exchanges: answers, inFlight: 1, connections: 2 },
      { exchanges: 0, inFlight: 0, connections: 0 },
    ],
    heat: [],
    firstByte: null,
    duration: { count: 1, mean: 1, values: [12, 0, 0, 0, 340, 0, 0, 0] },
    added: null,
    firstToken: null,
    outputToken: null,
    limits: [
      {
        consumer: 'rich',
        limit: 'cost/86400000/5/*',
        kind: 'cost',
        level: 4,
        capacity: 5,
        held: 0,
        refused: 0,
      },
      {
        consumer: 'poor',
        limit: 'requests/60000/10/*',
        kind: 'requests',
        level: 0.4,
        capacity: 10,
        held: 1,
        refused: 7,
      },
    ],
  };
}

const SCENE: Scene = {
  shape: SHAPE,
  before: sample(90_000, 100),
  now: sample(100_000, 1100),
  latencies: new Map([['busy\na-provider-with-a-long-name', { p50: 12, p99: 1340 }]]),
  from: '127.0.0.1:8081',
};

function draw(
  width: number,
  height: number,
  more: { hasColor?: boolean; sortedBy?: number; isDescending?: boolean } = {},
  scene = SCENE,
) {
  const look = { width, height, hasColor: false, sortedBy: SORT_DEFAULT, isDescending: true };
  return drawScreen(scene, { ...look, ...more });
}

test('figures of the server, its models, limits, providers and workers', () => {
  const text = draw(140, 60).join('\n');
  assert.match(
    text,
    /^weir 0\.1\.0 at 127\.0\.0\.1:8081, up 1m, 2 workers, 3 consumers\n100 req\/s/,
  );
  assert.match(text, /last minute: whole p50 12 ms p99 340 ms +first byte p50 - p99 -/);
  assert.match(
    text,
    /\nbusy +a-provider-with-a-long-name +open +100 +0 +12 ms +1\.34 s +1,?000|1k/,
  );
  assert.match(text, /\npoor +requests per 1m +0\.4 +10 +4% +1 +7/);
  assert.match(text, /\nrich +cost per 1d +\$4\.00 +\$5\.00 +80%/);
  assert.match(text, /\nopenai +3 +0 +0/);
  assert.match(text, /\n +0 +100 +1 +2/);
});

test('models are sorted by the column that was chosen', () => {
  const order = (lines: readonly string[]) =>
    lines.map((line) => /^(quiet|busy|evil)/.exec(line)?.[1]).filter((name) => name !== undefined);
  assert.deepEqual(order(draw(140, 60)), ['busy', 'quiet', 'evil']);
  assert.deepEqual(order(draw(140, 60, { isDescending: false })), ['evil', 'quiet', 'busy']);
  assert.deepEqual(order(draw(140, 60, { sortedBy: 0, isDescending: false })), [
    'busy',
    'evil',
    'quiet',
  ]);
});

test('no line is wider than the terminal, and there are no more than fit', () => {
  for (const width of [140, 100, 80, 60, 40, 20]) {
    for (const height of [60, 24, 12, 5, 1]) {
      const lines = draw(width, height);
      assert.ok(lines.length <= height, `${lines.length} lines in ${height}`);
      for (const line of lines) assert.ok([...line].length <= width, `${width}: ${line}`);
    }
  }
});

test('a narrow terminal shows what matters most', () => {
  const text = draw(60, 40).join('\n');
  assert.match(text, /MODEL +PROVIDER/);
  assert.match(text, /REQ\/S/);
  assert.doesNotMatch(text, /ANSWERS|IN TOK/);
});

test('names don’t steer the terminal; colour is there only where it is wanted', () => {
  const plain = draw(140, 60).join('');
  assert.ok(!plain.includes('\u001b') && !plain.includes('\r'));
  assert.match(plain, /evil\?\[2J/);
  assert.ok(draw(140, 60, { hasColor: true }).join('').includes('\u001b[31mopen'));
});

test('before there are two samples rates are not made up', () => {
  const text = draw(140, 60, {}, { ...SCENE, before: null, latencies: new Map() }).join('\n');
  assert.match(text, /rates: a moment/);
  assert.match(text, /\nbusy +\S+ +open +- +- +- +-/);
});

test('a table without rows is its head, and texts are cut with a mark', () => {
  const columns = [
    { name: 'A', isText: true, rank: 0 },
    { name: 'B', rank: 1 },
  ];
  const look = { width: 20, rowsMax: 5, sortedBy: 1, isDescending: true, hasColor: false };
  assert.deepEqual(drawTable(columns, [], look), ['A   B↓']);
  assert.equal(clip('abcdef', 4), 'abc…');
  assert.equal(clip('abcd', 4), 'abcd');
  assert.equal(clip('😀😀😀', 2), '😀…');
});

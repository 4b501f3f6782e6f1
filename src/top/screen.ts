/** What `weir top` shows, as lines: figures of the whole server, then its models, limits, providers and workers. */
import {
  formatBytes,
  formatCount,
  formatDollars,
  formatMs,
  describeLimit as nameLimit,
} from '../dashboard/numbers.js';
import { compare, compareRoutes, type Rates } from '../dashboard/rates.js';
import type { LiveLimit, LivePercentiles, LiveSample, LiveShape } from '../observe/live-sample.js';
import { nameTarget, type TargetLatency } from './live-client.js';
import { clip, drawTable, paint, type TextCell, type TextColumn, type Tone } from './text-table.js';

export interface Scene {
  readonly shape: LiveShape;
  readonly now: LiveSample;
  /** Some seconds ago; rates are taken from it to now. null: there is none yet. */
  readonly before: LiveSample | null;
  readonly latencies: ReadonlyMap<string, TargetLatency>;
  /** Where it was asked. */
  readonly from: string;
}

export interface ScreenLook {
  readonly width: number;
  /** Lines that there is room for; Infinity prints all there is. */
  readonly height: number;
  readonly hasColor: boolean;
  /** A column of MODEL_COLUMNS. */
  readonly sortedBy: number;
  readonly isDescending: boolean;
}

export const MODEL_COLUMNS: readonly TextColumn[] = [
  { name: 'MODEL', isText: true, rank: 0 },
  { name: 'PROVIDER', isText: true, rank: 1 },
  { name: 'STATE', isText: true, rank: 2 },
  { name: 'REQ/S', rank: 0 },
  { name: 'ERR/S', rank: 3 },
  { name: 'P50', rank: 4 },
  { name: 'P99', rank: 3 },
  { name: 'IN TOK/S', rank: 6 },
  { name: 'OUT TOK/S', rank: 5 },
  { name: '$/H', rank: 6 },
  { name: 'ANSWERS', rank: 7 },
];
/** Of MODEL_COLUMNS: requests. */
export const SORT_DEFAULT = 3;

const LIMIT_COLUMNS: readonly TextColumn[] = [
  { name: 'CONSUMER', isText: true, rank: 0 },
  { name: 'LIMIT', isText: true, rank: 1 },
  { name: 'LEFT', rank: 2 },
  { name: 'OF', rank: 3 },
  { name: 'LEFT %', rank: 0 },
  { name: 'RESERVED', rank: 5 },
  { name: 'REFUSED', rank: 4 },
];
const LEFT_PERCENT = 4;
const PROVIDER_COLUMNS: readonly TextColumn[] = [
  { name: 'PROVIDER', isText: true, rank: 0 },
  { name: 'CONNECTIONS', rank: 0 },
  { name: 'WAITING', rank: 1 },
  { name: 'REFUSED BY QUEUE', rank: 2 },
];
const WORKER_COLUMNS: readonly TextColumn[] = [
  { name: 'WORKER', rank: 0 },
  { name: 'REQ/S', rank: 0 },
  { name: 'IN FLIGHT', rank: 1 },
  { name: 'CONNECTIONS', rank: 2 },
];

/** Below it a limit is shown in red, below the other in yellow. */
const LEFT_BAD = 10;
const LEFT_WARN = 25;
const MEDIAN = 50;
const P99 = 99;
const STATE_TONES: Readonly<Record<string, Tone>> = {
  closed: 'good',
  'half-open': 'warn',
  open: 'bad',
  drained: 'faint',
};

export function drawScreen(scene: Scene, look: ScreenLook): string[] {
  const { width, hasColor } = look;
  const head = drawHead(scene).map((line) => clip(line, width));
  const sections: readonly Section[] = [
    {
      title: 'MODELS',
      columns: MODEL_COLUMNS,
      rows: listModels(scene),
      sortedBy: look.sortedBy,
      isDescending: look.isDescending,
    },
    {
      title: 'LIMITS, NEAREST TO EMPTY',
      columns: LIMIT_COLUMNS,
      rows: scene.now.limits.map(describeLimit),
      sortedBy: LEFT_PERCENT,
      isDescending: false,
    },
    {
      title: 'PROVIDERS',
      columns: PROVIDER_COLUMNS,
      rows: listProviders(scene),
      sortedBy: 1,
      isDescending: true,
    },
    {
      title: 'WORKERS',
      columns: WORKER_COLUMNS,
      rows: listWorkers(scene),
      sortedBy: 0,
      isDescending: false,
    },
  ].filter(({ rows }) => rows.length > 0);
  const rowsMax = shareRows(sections, look.height - head.length);
  const lines = sections.flatMap((section, at) => [
    '',
    ...drawTable(section.columns, section.rows, {
      ...section,
      width,
      hasColor,
      rowsMax: rowsMax[at] ?? 0,
    }),
  ]);
  return [paint(head[0] ?? '', 'bold', hasColor), ...head.slice(1), ...lines].slice(0, look.height);
}

interface Section {
  readonly title: string;
  readonly columns: readonly TextColumn[];
  readonly rows: readonly (readonly TextCell[])[];
  readonly sortedBy: number;
  readonly isDescending: boolean;
}

/** A blank line and a head for each; of what is left each has an equal share, and what one does not need the others have. */
function shareRows(sections: readonly Section[], height: number): number[] {
  const rows = sections.map(() => 0);
  let left = height - 2 * sections.length;
  if (left === Number.POSITIVE_INFINITY) return sections.map((section) => section.rows.length);
  for (let isFull = false; left > 0 && !isFull; ) {
    isFull = true;
    for (const [at, section] of sections.entries()) {
      if (left > 0 && (rows[at] ?? 0) < section.rows.length) {
        rows[at] = (rows[at] ?? 0) + 1;
        left -= 1;
        isFull = false;
      }
    }
  }
  return rows;
}

function drawHead({ shape, now, before, from }: Scene): string[] {
  const rates = before === null ? null : compare(before, now);
  const { totals } = now;
  const upMs = Math.max(0, now.atMs - shape.startedAtMs);
  const about = `weir ${shape.version} at ${from}, up ${formatUp(upMs)}, ${shape.workers} workers, ${shape.consumerCount} consumers`;
  const figures = [
    ...(rates === null ? ['rates: a moment …'] : listRates(rates)),
    `in flight ${formatCount(totals.inFlight)}`,
    `connections ${formatCount(totals.connections)}`,
    `memory ${formatBytes(totals.memory)}`,
  ];
  const latencies = [
    `whole ${formatPercentiles(shape, now.duration)}`,
    `first byte ${formatPercentiles(shape, now.firstByte)}`,
    `added by Weir ${formatPercentiles(shape, now.added)}`,
  ];
  return [about, figures.join('   '), `last minute: ${latencies.join('   ')}`];
}

function listRates(rates: Rates): string[] {
  return [
    `${formatCount(rates.requests)} req/s`,
    `${formatCount(rates.refused)} refused/s`,
    `${formatCount(rates.inputTokens)} in + ${formatCount(rates.outputTokens)} out tok/s`,
    `${formatDollars(rates.dollarsPerHour)}/h`,
  ];
}

function formatPercentiles({ percentiles }: LiveShape, found: LivePercentiles | null): string {
  const read = (percent: number): string => {
    const value = found?.values[percentiles.indexOf(percent)];
    return value === undefined ? '-' : formatMs(value);
  };
  return `p50 ${read(MEDIAN)} p99 ${read(P99)}`;
}

function listModels({ shape, now, before, latencies }: Scene): TextCell[][] {
  const rates = before === null ? [] : compareRoutes(before, now);
  return now.routes.map((route, at) => {
    const { model = '?', provider = '?' } = shape.routes[at] ?? {};
    const state = now.targets[at]?.state ?? '-';
    const rate = rates[at];
    const latency = latencies.get(nameTarget(model, provider));
    return [
      { text: clean(model) },
      { text: clean(provider) },
      { text: state, tone: STATE_TONES[state] ?? 'plain' },
      count(rate?.requests),
      { ...count(rate?.errors), tone: (rate?.errors ?? 0) > 0 ? 'bad' : 'plain' },
      duration(latency?.p50),
      duration(latency?.p99),
      count(rate?.inputTokens),
      count(rate?.outputTokens),
      { text: formatDollars(rate?.dollarsPerHour ?? 0), order: rate?.dollarsPerHour ?? 0 },
      count(route.statuses.reduce((sum, one) => sum + one, 0)),
    ];
  });
}

function describeLimit(entry: LiveLimit): TextCell[] {
  const { consumer, limit, kind, level, capacity, held, refused } = entry;
  const money = (value: number): TextCell => ({ text: formatDollars(value), order: value });
  const write = kind === 'cost' ? money : count;
  const percent = capacity > 0 ? (level / capacity) * 100 : 100;
  const tone = percent < LEFT_BAD ? 'bad' : percent < LEFT_WARN ? 'warn' : 'plain';
  return [
    { text: clean(consumer) },
    { text: clean(nameLimit(limit)) },
    write(Math.max(0, level)),
    write(capacity),
    { text: `${Math.round(percent)}%`, order: percent, tone },
    write(held),
    count(refused),
  ];
}

function listProviders({ shape, now }: Scene): TextCell[][] {
  return now.providers.map(({ connections, queue, rejected }, at) => [
    { text: clean(shape.providers[at] ?? '?') },
    count(connections),
    { ...count(queue), tone: queue > 0 ? 'warn' : 'plain' },
    count(rejected),
  ]);
}

function listWorkers({ now, before }: Scene): TextCell[][] {
  const seconds = before === null ? 0 : (now.atMs - before.atMs) / 1000;
  return now.workers.map(({ exchanges, inFlight, connections }, at) => {
    const old = before?.workers[at]?.exchanges;
    const rate = old === undefined || seconds <= 0 ? undefined : (exchanges - old) / seconds;
    return [{ text: String(at), order: at }, count(rate), count(inFlight), count(connections)];
  });
}

function count(value: number | undefined): TextCell {
  return value === undefined
    ? { text: '-', order: -1 }
    : { text: formatCount(value), order: value };
}

function duration(ms: number | undefined): TextCell {
  return ms === undefined ? { text: '-', order: -1 } : { text: formatMs(ms), order: ms };
}

/** Names are shown, never obeyed: what steers a terminal is taken out. */
function clean(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}

function formatUp(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24];
  if (days > 0) return `${days}d${hours}h`;
  return hours > 0 ? `${hours}h${minutes % 60}m` : `${minutes}m`;
}

/**
 * `/api/histograms`: latencies by model, target, status and window, as percentiles, or as an HdrHistogram log
 * (`format=hdr`) whose compressed histograms any of its libraries reads and adds up with those of other nodes.
 */
import { HistogramLogWriter } from 'hdr-histogram-js';
import { wallClockMs } from '../core/clock.js';
import type { CounterLayout } from '../observe/counters.js';
import { type MergedSeries, sumOverStatus } from '../observe/histogram-store.js';
import { MEASURE, type Measure, OTHER_PLACES } from '../observe/histograms.js';
import { type LatencyWindows, WINDOWS, type WindowName } from '../observe/latency-windows.js';
import { STATUS_CLASSES } from '../observe/status-classes.js';
import type { ApiAnswer, ApiRoute } from './admin.js';

export interface LatencySources {
  readonly windows: LatencyWindows;
  readonly readHistograms: () => readonly MergedSeries[];
  readonly collect: () => Promise<void>;
  /** Of all that have a place: routes and providers in the order of their indexes. */
  readonly readLayout: () => Pick<CounterLayout, 'routes' | 'providers'>;
  readonly startedAtMs: number;
}

/** Those that are times; `estimate` is a ratio. */
const NAMES: Readonly<Partial<Record<Measure, string>>> = {
  [MEASURE.firstByte]: 'first_byte',
  [MEASURE.duration]: 'duration',
  [MEASURE.added]: 'added',
  [MEASURE.firstToken]: 'first_token',
  [MEASURE.outputToken]: 'output_token',
  [MEASURE.addedBefore]: 'added_before',
  [MEASURE.addedAfter]: 'added_after',
  [MEASURE.queue]: 'queue',
  [MEASURE.connect]: 'connect',
};
/** What lies at a place: a provider; else a target. */
const OF_PROVIDERS: ReadonlySet<Measure> = new Set([MEASURE.queue, MEASURE.connect]);
/** Of those that share a histogram because there are too many. */
const OTHER = '(other)';
const PERCENTILES = { p50: 50, p75: 75, p90: 90, p95: 95, p99: 99, p99_9: 99.9, p99_99: 99.99 };
const SINCE_START = 'start';
const WINDOW_NAMES = [...Object.keys(WINDOWS), SINCE_START];
const FORMATS = ['json', 'hdr'];
/** In place of a status: all, each by itself. */
const EACH_STATUS = 'each';
const STATUSES = [EACH_STATUS, ...STATUS_CLASSES];
/** An encoded histogram runs through deflate; so many are made between two turns of the loop. */
const ENCODED_AT_ONCE = 8;

/** null: all together. */
interface Labels {
  readonly model: string | null;
  readonly provider: string | null;
  /** The name that the provider is asked for. */
  readonly target: string | null;
}

interface Named extends Labels {
  readonly measure: string;
  /** null: not told apart. */
  readonly status: string | null;
  readonly series: MergedSeries;
}

export function createLatencyApi(sources: LatencySources): ApiRoute {
  return {
    path: '/api/histograms',
    method: 'GET',
    answer: async ({ query }) => {
      const window = query.get('window') ?? SINCE_START;
      if (!WINDOW_NAMES.includes(window)) return refuse('window', WINDOW_NAMES);
      const format = query.get('format') ?? 'json';
      if (!FORMATS.includes(format)) return refuse('format', FORMATS);
      const status = query.get('status');
      if (status !== null && !STATUSES.includes(status)) return refuse('status', STATUSES);
      await sources.collect();
      const merged =
        window === SINCE_START
          ? sources.readHistograms()
          : sources.windows.read(window as WindowName);
      const model = query.get('model');
      const told = status === null ? sumOverStatus(merged) : merged;
      const named = describeAll(told, sources.readLayout()).filter(
        (one) =>
          (model === null || one.model === model) &&
          (status === null || status === EACH_STATUS || one.status === status),
      );
      return format === 'hdr'
        ? writeLog(named, spanOf(window, sources))
        : { status: 200, value: { window, unit: 'ms', series: named.map(describe) } };
    },
  };
}

function refuse(field: string, known: readonly string[]): ApiAnswer {
  const expected = `one of ${known.join(', ')}`;
  return { status: 400, value: { error: 'bad_request', field, expected } };
}

function describeAll(
  merged: readonly MergedSeries[],
  layout: Pick<CounterLayout, 'routes' | 'providers'>,
): Named[] {
  return merged.flatMap((series) => {
    const measure = NAMES[series.measure];
    if (measure === undefined) return [];
    const status = STATUS_CLASSES[series.status] ?? null;
    return [{ measure, ...labelPlace(series, layout), status, series }];
  });
}

function labelPlace(
  { measure, place }: MergedSeries,
  { routes, providers }: Pick<CounterLayout, 'routes' | 'providers'>,
): Labels {
  if (OF_PROVIDERS.has(measure)) {
    const known = [...providers.values()].find(({ index }) => index === place)?.name ?? null;
    return { model: null, provider: place === OTHER_PLACES ? OTHER : known, target: null };
  }
  if (place === OTHER_PLACES) return { model: OTHER, provider: OTHER, target: OTHER };
  const route = routes[place];
  return {
    model: route?.model ?? null,
    provider: route?.provider ?? null,
    target: route?.target ?? null,
  };
}

function describe(named: Named): Readonly<Record<string, unknown>> {
  const { series, ...labels } = named;
  const { histogram, sumUs } = series;
  const percentiles = Object.entries(PERCENTILES).map(([name, percentile]) => [
    name,
    histogram.getValueAtPercentile(percentile) / 1000,
  ]);
  return {
    ...labels,
    count: histogram.totalCount,
    mean: sumUs / histogram.totalCount / 1000,
    ...Object.fromEntries(percentiles),
    max: histogram.getValueAtPercentile(100) / 1000,
  };
}

function spanOf(window: string, { startedAtMs }: LatencySources): [fromMs: number, toMs: number] {
  const toMs = wallClockMs();
  if (window === SINCE_START) return [startedAtMs, toMs];
  const { stepMs, steps } = WINDOWS[window as WindowName];
  return [Math.max(startedAtMs, toMs - stepMs * steps), toMs];
}

async function writeLog(
  named: readonly Named[],
  [fromMs, toMs]: readonly [number, number],
): Promise<ApiAnswer> {
  const lines: string[] = [];
  const writer = new HistogramLogWriter((text) => lines.push(text));
  writer.outputComment('[Latencies of Weir in microseconds]');
  writer.outputLogFormatVersion();
  writer.outputStartTime(Math.round(fromMs));
  writer.outputLegend();
  for (const [index, { measure, model, provider, status, series }] of named.entries()) {
    if (index % ENCODED_AT_ONCE === ENCODED_AT_ONCE - 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    // Commas and blanks end a tag.
    const tag = [measure, provider, model, status].filter((part) => part !== null).join(':');
    series.histogram.tag = tag.replace(/[\s,]/g, '_');
    writer.outputIntervalHistogram(series.histogram, 0, (toMs - fromMs) / 1000, 1000);
  }
  return { status: 200, contentType: 'text/plain; charset=utf-8', body: lines.join('') };
}

/**
 * The Prometheus exposition. Values come from memory that the workers share with the primary at the moment of the scrape,
 * so no worker is asked for anything; prom-client adds the metrics of the process.
 */
import { collectDefaultMetrics, Registry } from 'prom-client';
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';
import type { ErrorCode } from '../core/errors.js';
import { ATTEMPT_OUTCOMES } from '../upstream/attempt-outcomes.js';
import { createConsumerFamilies } from './consumer-metrics.js';
import {
  attemptSlot,
  type CounterLayout,
  type FixedSlotName,
  type RouteSlots,
} from './counters.js';
import {
  type Family,
  type MetricType,
  type Sample,
  writeHead,
  writeSamples,
} from './exposition.js';
import { createHistogramFamilies } from './histogram-metrics.js';
import { createLimitFamilies, type LimitSample } from './limit-metrics.js';
import { OVERLOAD_METRICS, type OverloadSample } from './overload-metrics.js';
import { PROVIDER_METRICS } from './provider-metrics.js';
import { RELOAD_METRICS, type ReloadSample } from './reload-metrics.js';
import type { TallyReader } from './tally-reader.js';
import { mergeTargets, TARGET_METRICS, type TargetSample } from './target-metrics.js';
import { addTraceMetrics, type TraceSample } from './trace-metrics.js';
import { USAGE_METRICS, type UsageSample } from './usage-metrics.js';

export interface MetricsSource {
  /** Of all that is counted, or ever was; a reload may add to it. */
  readonly readLayout: () => CounterLayout;
  /** Sums over the workers, by slot (readCounters). */
  readonly readCounters: () => Float64Array;
  readonly tally: TallyReader;
  /** Of consumers with series of their own, by place. */
  readonly readConsumerNames: () => readonly string[];
  /** Buckets that are shown; bounded. */
  readonly readLimits: () => readonly LimitSample[];
  readonly readLimitTableFull: () => number;
  /** By Target.index. */
  readonly readTargets: () => readonly TargetSample[];
  readonly readOverload: () => OverloadSample;
  /** null: no usage records are written. */
  readonly readUsage: () => UsageSample | null;
  readonly readReloads: () => ReloadSample;
  readonly readTraces: () => TraceSample;
  /** Lines that the primary's sink could not write. */
  readonly readLogLinesLost: () => number;
  readonly build: { readonly version: string; readonly node: string; readonly uws: string };
}

export interface Metrics {
  /** One at a time. */
  render(): Promise<string>;
}

/** For the content-type header of /metrics. */
export const METRICS_CONTENT_TYPE: string = Registry.PROMETHEUS_CONTENT_TYPE;

/** Label of exchanges that ended before they had a route. */
const NONE = '(none)';

const TOKEN_TYPES = [
  ['input', 'inputTokens'],
  ['output', 'outputTokens'],
  ['cached_input', 'cachedInputTokens'],
  ['reasoning', 'reasoningTokens'],
] as const;

const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const;
/** Shown from the start even at 0, because a rate can't be taken over a series that was not there yet. */
const SHOWN_AT_ZERO: readonly string[] = ['2xx', '4xx', '5xx'];

/** Gauges whose names say that they are counters, beside which prom-client has the same by type. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];
const LOOP_LOOK_MS = 250;
/** Written between two looks at the clock. */
const CHARS_BETWEEN_LOOKS = 16_384;

export function createMetrics(source: MetricsSource): Metrics {
  const registry = new Registry();
  // It looks at the primary's loop every 10 ms otherwise, which wakes an idle process a hundred times a second.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_LOOK_MS });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  const families: Family[] = [];

  let layout = source.readLayout();
  let totals = new Float64Array(layout.slotCount);
  let limits: readonly LimitSample[] = [];
  let targets: readonly TargetSample[] = [];
  const read = (slot: number): number => totals[slot] ?? 0;
  const readFixed = (name: FixedSlotName): number => read(layout.fixed[name]);
  const plain = (value: number): Sample[] => [{ labels: {}, value }];
  const perRoute = (slotOf: (route: RouteSlots) => number): Sample[] =>
    sumByLabels(
      layout.routes.map((route) => ({ labels: labelRoute(route), value: read(slotOf(route)) })),
    );
  const add = (
    type: MetricType,
    name: string,
    help: string,
    collect: () => readonly Sample[],
  ): void => {
    families.push({ name, type, help, write: () => [writeSamples(name, collect())] });
  };

  add('counter', 'weir_requests_total', 'Answers relayed from providers, by class of status.', () =>
    sumByLabels(layout.routes.flatMap((route) => readStatuses(route, read))),
  );
  add(
    'counter',
    'weir_refused_total',
    'Exchanges that Weir itself answered or cut, by the code of the error.',
    () =>
      (Object.keys(layout.refused) as ErrorCode[]).map((code) => ({
        labels: { code },
        value: read(layout.refused[code]),
      })),
  );
  add('counter', 'weir_attempts_total', 'Calls to providers, by how they ended.', () =>
    sumByLabels(layout.routes.flatMap((route) => readAttempts(route, read))),
  );
  add('counter', 'weir_exchanges_total', 'Exchanges begun.', () =>
    plain(readFixed('exchangesTotal')),
  );
  add('gauge', 'weir_exchanges_in_flight', 'Exchanges begun and not over.', () =>
    plain(readFixed('exchangesInFlight')),
  );
  add('gauge', 'weir_connections_open', 'Connections from clients.', () =>
    plain(readFixed('connectionsOpen')),
  );
  add('counter', 'weir_connections_total', 'Connections accepted from clients.', () =>
    plain(readFixed('connectionsTotal')),
  );
  add('gauge', 'weir_body_bytes_held', 'Bytes of request bodies held in memory.', () =>
    plain(readFixed('bodyBytesHeld')),
  );
  add(
    'counter',
    'weir_ended_total',
    'Exchanges that ended before they were complete, by the side that ended them.',
    () =>
      sumByLabels([
        {
          labels: { provider: NONE, model: NONE, by: 'downstream' },
          value: readFixed('abortedUnrouted'),
        },
        ...layout.routes.flatMap((route) => readEnds(route, read)),
      ]),
  );
  add('counter', 'weir_bytes_total', 'Bytes of bodies received from and sent to clients.', () => [
    { labels: { direction: 'received' }, value: readFixed('bytesReceived') },
    { labels: { direction: 'sent' }, value: readFixed('bytesSent') },
  ]);
  add(
    'counter',
    'weir_request_bytes_total',
    'Bytes of request bodies received, by where they went.',
    () => perRoute((route) => route.requestBytes),
  );
  add('counter', 'weir_response_bytes_total', 'Bytes of answers received from providers.', () =>
    perRoute((route) => route.responseBytes),
  );
  add(
    'counter',
    'weir_tokens_total',
    'Tokens as settled; cached_input is part of input, reasoning part of output.',
    () =>
      TOKEN_TYPES.flatMap(([type, field]) =>
        perRoute((route) => route[field]).map(({ labels, value }) => ({
          labels: { ...labels, type },
          value,
        })),
      ),
  );
  add('counter', 'weir_cost_dollars_total', 'US dollars as settled, by the price list.', () =>
    perRoute((route) => route.costNanoDollars).map(({ labels, value }) => ({
      labels,
      value: value / 1e9,
    })),
  );
  add(
    'counter',
    'weir_unpriced_total',
    'Exchanges with usage whose model has no price, which hence cost nothing.',
    () => perRoute((route) => route.unpriced),
  );
  for (const [name, type, slot, help] of PROVIDER_METRICS) {
    add(type, name, help, () =>
      [...layout.providers.values()].map((slots) => ({
        labels: { provider: slots.name },
        value: read(slots[slot]),
      })),
    );
  }
  add(
    'counter',
    'weir_retry_budget_refused_total',
    'Further attempts that were not made because the budget for them was used up.',
    () => plain(readFixed('retriesRefused')),
  );
  add(
    'counter',
    'weir_log_lines_dropped_total',
    'Log lines that were dropped because they could not be written.',
    () => plain(readFixed('logLinesDropped') + source.readLogLinesLost()),
  );
  add(
    'counter',
    'weir_log_lines_sampled_out_total',
    'Exchanges that ended well and have no line in the access log because of log.sample.',
    () => plain(readFixed('logLinesSampledOut')),
  );
  families.push(
    ...createHistogramFamilies(
      () => source.tally,
      () => layout,
    ),
    ...createConsumerFamilies(() => source.tally, source.readConsumerNames),
  );
  add(
    'counter',
    'weir_limit_table_full_total',
    'Exchanges refused because as many callers are told apart as may be.',
    () => plain(source.readLimitTableFull()),
  );
  families.push(...createLimitFamilies(() => limits));
  for (const [name, type, figure, help] of TARGET_METRICS) {
    add(type, name, help, () =>
      targets.map((sample) => ({
        labels: { provider: sample.provider, model: sample.model },
        value: sample[figure],
      })),
    );
  }
  for (const [name, type, figure, help] of OVERLOAD_METRICS)
    add(type, name, help, () => source.readOverload()[figure]);
  for (const [name, type, figure, help] of source.readUsage() === null ? [] : USAGE_METRICS) {
    add(type, name, help, () => plain(source.readUsage()?.[figure] ?? 0));
  }
  for (const [name, type, help, collect] of RELOAD_METRICS) {
    add(type, name, help, () => collect(source.readReloads()));
  }
  addTraceMetrics(add, source.readTraces);
  add('gauge', 'weir_build_info', 'Always 1; the labels say what runs.', () => [
    { labels: { ...source.build }, value: 1 },
  ]);

  const render = async (): Promise<string> => {
    // Read once, so that all counters of a scrape tell of the same moment.
    layout = source.readLayout();
    totals = Float64Array.from(source.readCounters());
    limits = source.readLimits();
    targets = mergeTargets(source.readTargets());
    source.tally.readAll(layout.routes.length, source.readConsumerNames().length);
    const pieces: string[] = [];
    let chars = 0;
    let turnMs = nowMs();
    for (const family of families) {
      pieces.push(writeHead(family));
      for (const piece of family.write()) {
        pieces.push(piece);
        chars += piece.length;
        if (chars >= CHARS_BETWEEN_LOOKS) {
          chars = 0;
          if (nowMs() - turnMs >= BOUNDS.scrapeTurnMs) {
            await new Promise((resolve) => setImmediate(resolve));
            turnMs = nowMs();
          }
        }
      }
    }
    // prom-client 15 writes `Nan`, which Prometheus takes and stricter readers of the format do not.
    pieces.push((await registry.metrics()).replace(/ Nan$/gm, ' NaN'));
    return pieces.join('');
  };
  return { render };
}

function labelRoute({ provider, model }: RouteSlots): { provider: string; model: string } {
  return { provider, model };
}

function readStatuses(route: RouteSlots, read: (slot: number) => number): Sample[] {
  return STATUS_CLASSES.map((status, position) => ({
    labels: { ...labelRoute(route), status },
    value: read(route.firstStatusSlot + position),
  })).filter(({ labels, value }) => value > 0 || SHOWN_AT_ZERO.includes(labels.status));
}

function readAttempts(route: RouteSlots, read: (slot: number) => number): Sample[] {
  return ATTEMPT_OUTCOMES.map((outcome) => ({
    labels: { ...labelRoute(route), class: outcome },
    value: read(attemptSlot(route, outcome)),
  })).filter(({ labels, value }) => value > 0 || labels.class === 'ok');
}

function readEnds(route: RouteSlots, read: (slot: number) => number): Sample[] {
  return [
    { labels: { ...labelRoute(route), by: 'downstream' }, value: read(route.endedByDownstream) },
    { labels: { ...labelRoute(route), by: 'upstream' }, value: read(route.endedByUpstream) },
    { labels: { ...labelRoute(route), by: 'gateway' }, value: read(route.endedByGateway) },
  ];
}

/** Two targets of one model may lie at one provider; their labels are the same, and a series must be unique. */
function sumByLabels(samples: readonly Sample[]): Sample[] {
  const sums = new Map<string, Sample>();
  for (const sample of samples) {
    const key = JSON.stringify(Object.values(sample.labels));
    const known = sums.get(key);
    sums.set(
      key,
      known === undefined ? sample : { labels: sample.labels, value: known.value + sample.value },
    );
  }
  return [...sums.values()];
}

/** The histograms' part of the exposition: by route, which is one target of one model entry, and by provider. */
import type { CounterLayout, RouteSlots } from './counters.js';
import { type Family, type Labels, startLine, writeLine } from './exposition.js';
import { STATUS_CLASSES } from './status-classes.js';
import {
  type HistogramPlace,
  OPERATIONS,
  PROVIDER_HISTOGRAMS,
  type ProviderHistogram,
  ROUTE_HISTOGRAMS,
} from './tally-layout.js';
import type { TallyReader } from './tally-reader.js';

/** Label of routes that share a place because there are too many. */
const OTHER = '(other)';
/** What the conventions of OpenTelemetry call an error that they have no name for. */
const OTHER_ERROR = '_OTHER';

type RouteHistogram = keyof typeof ROUTE_HISTOGRAMS;

/** Series with the same labels are summed: two targets of one model may lie at one provider. */
interface Series {
  readonly slots: number[];
  /** The beginnings of its lines: one for each bound, `+Inf`, the sum and the count. */
  readonly starts: readonly string[];
  /** How it was written last, and with how many values; none of them is ever taken back. */
  count: number;
  text: string;
}

/** A run of histograms of one place, and what tells them apart. */
interface Part {
  readonly histogram: RouteHistogram;
  readonly nthLabels: readonly Labels[];
}

const BARE: readonly Labels[] = [{}];
const BY_STATUS: readonly Labels[] = STATUS_CLASSES.map((status) => ({ status }));

function byOperation(more: Labels = {}): Labels[] {
  return OPERATIONS.map((name) => ({ gen_ai_operation_name: name, ...more }));
}

const ROUTE_FAMILIES: readonly (readonly [
  name: string,
  help: string,
  isGenAi: boolean,
  parts: readonly Part[],
])[] = [
  [
    'weir_first_byte_seconds',
    'From the request to the first byte of the answer.',
    false,
    [{ histogram: 'firstByte', nthLabels: BARE }],
  ],
  [
    'weir_duration_seconds',
    'From the request to the end of the answer, by class of its status.',
    false,
    [{ histogram: 'duration', nthLabels: BY_STATUS }],
  ],
  [
    'weir_added_seconds',
    'Time that Weir itself added to an exchange.',
    false,
    [{ histogram: 'added', nthLabels: BARE }],
  ],
  [
    'weir_estimate_ratio',
    'Tokens estimated before a call, by the tokens that the provider counted.',
    false,
    [{ histogram: 'estimate', nthLabels: BARE }],
  ],
  [
    'gen_ai_client_token_usage',
    'Tokens of an exchange, as the provider counted them; input and output.',
    true,
    [
      { histogram: 'inputTokens', nthLabels: byOperation({ gen_ai_token_type: 'input' }) },
      { histogram: 'outputTokens', nthLabels: byOperation({ gen_ai_token_type: 'output' }) },
    ],
  ],
  [
    'gen_ai_client_operation_duration_seconds',
    'From the moment the request was written to the provider to the end of the exchange.',
    true,
    [
      { histogram: 'operation', nthLabels: byOperation() },
      { histogram: 'failedOperation', nthLabels: byOperation({ error_type: OTHER_ERROR }) },
    ],
  ],
  [
    'gen_ai_server_time_to_first_token_seconds',
    'From the moment the request was written to the provider to the first token of a stream.',
    true,
    [{ histogram: 'firstToken', nthLabels: byOperation() }],
  ],
  [
    'gen_ai_server_time_per_output_token_seconds',
    'Of a whole stream after its first token, by the tokens after it.',
    true,
    [{ histogram: 'tokenTime', nthLabels: byOperation() }],
  ],
];

const PROVIDER_FAMILIES: readonly (readonly [
  name: string,
  histogram: ProviderHistogram,
  help: string,
])[] = [
  [
    'weir_queue_wait_seconds',
    'queue',
    'How long calls waited for a connection to the provider, of those that had to.',
  ],
  [
    'weir_upstream_connect_seconds',
    'connect',
    'How long it took to open a connection to the provider: name, TCP, TLS.',
  ],
];

/** Metric → its upper bounds, without `+Inf`. */
export const MEASURED_BOUNDS: ReadonlyMap<string, Float64Array> = new Map([
  ...ROUTE_FAMILIES.map(([name, , , parts]): [string, Float64Array] => [
    name,
    parts[0] === undefined ? new Float64Array(0) : ROUTE_HISTOGRAMS[parts[0].histogram].bounds,
  ]),
  ...PROVIDER_FAMILIES.map(([name, histogram]): [string, Float64Array] => [
    name,
    PROVIDER_HISTOGRAMS[histogram].bounds,
  ]),
]);

export function createHistogramFamilies(
  readTally: () => TallyReader,
  readLayout: () => CounterLayout,
): Family[] {
  const ofRoutes = ROUTE_FAMILIES.map(([name, help, isGenAi, parts]) =>
    createFamily(name, help, readTally, readLayout, (tally, layout) =>
      parts.flatMap(({ histogram, nthLabels }) =>
        layout.routes.flatMap((route) => {
          const isShared = tally.layout.sharesPlace(route.index);
          const labels = isGenAi ? labelGenAi(route, isShared) : labelRoute(route, isShared);
          const base = tally.layout.routeSlot(route.index);
          return place(ROUTE_HISTOGRAMS[histogram], base, nthLabels, labels);
        }),
      ),
    ),
  );
  const ofProviders = PROVIDER_FAMILIES.map(([name, histogram, help]) =>
    createFamily(name, help, readTally, readLayout, (tally, layout) =>
      [...layout.providers.values()].flatMap(({ name: provider, index }) =>
        place(PROVIDER_HISTOGRAMS[histogram], tally.layout.providerSlot(index), BARE, { provider }),
      ),
    ),
  );
  return [...ofRoutes, ...ofProviders];
}

interface Placed {
  readonly labels: Labels;
  readonly slot: number;
  readonly bounds: Float64Array;
}

function place(
  { bounds, offset, size }: HistogramPlace,
  base: number,
  nthLabels: readonly Labels[],
  labels: Labels,
): Placed[] {
  return nthLabels.map((own, nth) => ({
    labels: { ...labels, ...own },
    slot: base + offset + nth * size,
    bounds,
  }));
}

function createFamily(
  name: string,
  help: string,
  readTally: () => TallyReader,
  readLayout: () => CounterLayout,
  list: (tally: TallyReader, layout: CounterLayout) => readonly Placed[],
): Family {
  let known: CounterLayout | null = null;
  let series: readonly Series[] = [];
  return {
    name,
    type: 'histogram',
    help,
    write: () => {
      const [tally, layout] = [readTally(), readLayout()];
      if (layout !== known) {
        known = layout;
        series = groupSeries(name, list(tally, layout));
      }
      return writeAll(series, tally);
    },
  };
}

function* writeAll(series: readonly Series[], tally: TallyReader): Generator<string> {
  for (const one of series) yield writeSeries(one, tally);
}

function groupSeries(name: string, placed: readonly Placed[]): Series[] {
  const groups = new Map<string, Series>();
  for (const { labels, slot, bounds } of placed) {
    const key = startLine('', labels);
    const group = groups.get(key);
    if (group === undefined) {
      const buckets = [...bounds, Number.POSITIVE_INFINITY].map((le) =>
        startLine(`${name}_bucket`, { ...labels, le }),
      );
      const starts = [
        ...buckets,
        startLine(`${name}_sum`, labels),
        startLine(`${name}_count`, labels),
      ];
      groups.set(key, { slots: [slot], starts, count: 0, text: '' });
    } else if (!group.slots.includes(slot)) {
      group.slots.push(slot);
    }
  }
  return [...groups.values()];
}

/** Nothing where nothing was measured: most routes see few of the operations and classes. */
function writeSeries(series: Series, tally: TallyReader): string {
  const { slots, starts } = series;
  const bucketCount = starts.length - 2;
  const counts: number[] = [];
  let count = 0;
  let sum = 0;
  for (let bucket = 0; bucket < bucketCount; bucket += 1) {
    for (const slot of slots) count += tally.read(slot + bucket);
    counts.push(count);
  }
  // Most series have nothing new from one scrape to the next.
  if (count === series.count) return series.text;
  for (const slot of slots) sum += tally.read(slot + bucketCount);
  const values = [...counts, sum, count];
  series.count = count;
  // Joined, because a text that is only appended to has to be walked through again at each scrape.
  series.text = starts.map((start, at) => writeLine(start, values[at] ?? 0)).join('');
  return series.text;
}

function labelRoute(
  { provider, model, target }: RouteSlots,
  isShared: boolean,
): { provider: string; model: string; target: string } {
  return isShared ? { provider: OTHER, model: OTHER, target: OTHER } : { provider, model, target };
}

/** By the conventions of OpenTelemetry, and Weir's own labels beside them, so that both can be joined. */
function labelGenAi(route: RouteSlots, isShared: boolean): Labels {
  const { provider, model, target } = labelRoute(route, isShared);
  return { gen_ai_provider_name: provider, gen_ai_request_model: target, model };
}

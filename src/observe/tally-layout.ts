/**
 * Where the figures of /metrics lie that are not plain counters: histograms by route and by provider, and what each
 * consumer has used. They are sums in memory that all threads share, one column a worker, as in counters.ts, so that a
 * scrape asks no worker for anything.
 *
 * A histogram is a run of numbers: values in each bucket, values above the last bound, and their sum. Bounds are fixed,
 * those of the OpenTelemetry conventions where a metric is one of theirs.
 */
import { BOUNDS } from '../core/bounds.js';
import { STATUS_CLASSES } from './status-classes.js';

/** From a cached answer to the ten minutes that a reasoning model may think; seconds. */
export const ANSWER_BOUNDS: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600,
];
/** Weir's own share: tens of microseconds as a rule, more where an exchange waits for a connection; seconds. */
export const ADDED_BOUNDS: readonly number[] = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1,
];
/** Waiting for a connection, and making one; seconds. */
export const CONNECTION_BOUNDS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];
/** How an estimate lies to the truth: 1 is exact. */
export const RATIO_BOUNDS: readonly number[] = [
  0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 5, 10, 100,
];
/** OpenTelemetry, gen_ai.client.token.usage. */
const TOKEN_BOUNDS: readonly number[] = [
  1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216,
  67_108_864,
];
/** OpenTelemetry, gen_ai.client.operation.duration; seconds. */
const OPERATION_BOUNDS: readonly number[] = [
  0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
/** OpenTelemetry, gen_ai.server.time_to_first_token; seconds. */
const FIRST_TOKEN_BOUNDS: readonly number[] = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];
/** OpenTelemetry, gen_ai.server.time_per_output_token; seconds. */
const TOKEN_TIME_BOUNDS: readonly number[] = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5,
];

/** `gen_ai.operation.name`; other calls have no conventions. */
export const OPERATIONS = ['chat', 'text_completion', 'embeddings'] as const;

export interface HistogramPlace {
  readonly bounds: Float64Array;
  /** From the beginning of a route's or provider's slots. */
  readonly offset: number;
  /** Of one of them; several lie one behind the other. */
  readonly size: number;
}

type Shape = readonly [bounds: readonly number[], count: number];

function place<Name extends string>(shapes: Readonly<Record<Name, Shape>>) {
  let offset = 0;
  const places = Object.entries<Shape>(shapes).map(([name, [bounds, count]]) => {
    const size = bounds.length + 2;
    const place = { bounds: Float64Array.from(bounds), offset, size };
    offset += count * size;
    return [name, place] as const;
  });
  return {
    places: Object.fromEntries(places) as Readonly<Record<Name, HistogramPlace>>,
    slots: offset,
  };
}

const ROUTE = place({
  firstByte: [ANSWER_BOUNDS, 1],
  /** By STATUS_CLASSES. */
  duration: [ANSWER_BOUNDS, STATUS_CLASSES.length],
  added: [ADDED_BOUNDS, 1],
  estimate: [RATIO_BOUNDS, 1],
  /** The rest is by OPERATIONS. */
  firstToken: [FIRST_TOKEN_BOUNDS, OPERATIONS.length],
  tokenTime: [TOKEN_TIME_BOUNDS, OPERATIONS.length],
  operation: [OPERATION_BOUNDS, OPERATIONS.length],
  failedOperation: [OPERATION_BOUNDS, OPERATIONS.length],
  inputTokens: [TOKEN_BOUNDS, OPERATIONS.length],
  outputTokens: [TOKEN_BOUNDS, OPERATIONS.length],
});
const PROVIDER = place({ queue: [CONNECTION_BOUNDS, 1], connect: [CONNECTION_BOUNDS, 1] });

export const ROUTE_SLOTS = ROUTE.slots;
export const ROUTE_HISTOGRAMS = ROUTE.places;
export const PROVIDER_HISTOGRAMS = PROVIDER.places;
export type ProviderHistogram = keyof typeof PROVIDER_HISTOGRAMS;

/** Slots of a consumer: exchanges by STATUS_CLASSES, then these. */
export const CONSUMER_USES = [
  'input',
  'output',
  'cached_input',
  'reasoning',
  'nanoDollars',
] as const;
const CONSUMER_SLOTS = STATUS_CLASSES.length + CONSUMER_USES.length;

/** Places of consumers that have none of their own: exchanges of nobody, and consumers beyond the bound. */
export const NO_CONSUMER = 0;
export const OTHER_CONSUMERS = 1;
export const FIRST_CONSUMER = 2;

export interface TallySizes {
  /** Consumers with a place of their own. */
  readonly consumersMax: number;
  readonly providersMax: number;
}

/** The same for both sides, because it follows from the sizes. */
export class TallyLayout {
  readonly slotCount: number;
  readonly stride: number;
  readonly #firstProvider: number;
  readonly #firstRoute: number;
  readonly #routesMax: number;

  constructor({ consumersMax, providersMax }: TallySizes, routesMax: number = ROUTES_MAX) {
    this.#firstProvider = (FIRST_CONSUMER + consumersMax) * CONSUMER_SLOTS;
    this.#firstRoute = this.#firstProvider + providersMax * PROVIDER.slots;
    this.#routesMax = routesMax;
    this.slotCount = this.#firstRoute + (routesMax + 1) * ROUTE.slots;
    // A whole line lies between two columns, wherever the memory begins.
    this.stride = (Math.ceil(this.slotCount / SLOTS_PER_LINE) + 1) * SLOTS_PER_LINE;
  }

  consumerSlot(at: number): number {
    return at * CONSUMER_SLOTS;
  }

  providerSlot(index: number): number {
    return this.#firstProvider + index * PROVIDER.slots;
  }

  /** Routes beyond the bound share the last place. */
  routeSlot(index: number): number {
    return this.#firstRoute + Math.min(index, this.#routesMax) * ROUTE.slots;
  }

  sharesPlace(routeIndex: number): boolean {
    return routeIndex >= this.#routesMax;
  }
}

const ROUTES_MAX = BOUNDS.histogramRoutesMax;
const SLOTS_PER_LINE = 64 / Float64Array.BYTES_PER_ELEMENT;

export function createTallyMemory(layout: TallyLayout, workers: number): SharedArrayBuffer {
  const slots = SLOTS_PER_LINE + layout.stride * workers;
  return new SharedArrayBuffer(slots * Float64Array.BYTES_PER_ELEMENT);
}

export function viewTally(
  layout: TallyLayout,
  memory: SharedArrayBuffer,
  worker: number,
): Float64Array {
  const from = (SLOTS_PER_LINE + layout.stride * worker) * Float64Array.BYTES_PER_ELEMENT;
  return new Float64Array(memory, from, layout.slotCount);
}

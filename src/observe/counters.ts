/**
 * Counters of all workers in one SharedArrayBuffer: one column a worker, written by that worker alone,
 * read by the primary at a scrape. Because there is one writer per column, adding is a plain addition,
 * without atomics. A reader may see a value that is a few microseconds old. It can't see half a number:
 * aligned 64-bit loads and stores are indivisible on every machine that V8 runs on in 64 bits.
 *
 * The layout follows from the configuration and the places of its targets and providers, so both sides compute it and
 * nothing is negotiated. A reload leaves those that are there already in their places, so no counter goes backward.
 * Labels come from the configuration too, never from a request, so the number of series is bounded.
 */
import { ERRORS, type ErrorCode } from '../core/errors.js';
import { ATTEMPT_OUTCOMES, type AttemptOutcome } from '../upstream/attempt-outcomes.js';

/** Slots that every column has. Gauges go up and down, and the sum over the workers is what is shown. */
const FIXED_NAMES = [
  'connectionsOpen',
  'connectionsTotal',
  'exchangesInFlight',
  'exchangesTotal',
  'bodyBytesHeld',
  'bytesReceived',
  'bytesSent',
  'logLinesDropped',
  /** Of exchanges that ended well, where only a share of them has one. */
  'logLinesSampledOut',
  /** Clients that went away before their request had a route. */
  'abortedUnrouted',
  /** Further attempts beyond the budget for them. */
  'retriesRefused',
] as const;

export type FixedSlotName = (typeof FIXED_NAMES)[number];

const PROVIDER_FIELDS = 4;
const CACHE_LINE_BYTES = 64;
const SLOTS_PER_LINE = CACHE_LINE_BYTES / Float64Array.BYTES_PER_ELEMENT;

/**
 * Of a route, from its first slot. What a usual exchange adds to lies on one cache line, and on another one what is added
 * where usage is counted: with many routes none of them is in a near cache when it is needed.
 */
const ROUTE = {
  inputTokens: 0,
  outputTokens: 1,
  cachedInputTokens: 2,
  reasoningTokens: 3,
  costNanoDollars: 4,
  unpriced: 5,
  endedByUpstream: 6,
  endedByGateway: 7,
  statuses: 8,
  requestBytes: 13,
  responseBytes: 14,
  /** The first one is `ok`. */
  attempts: 15,
  endedByDownstream: 15 + ATTEMPT_OUTCOMES.length,
} as const;
const ROUTE_FIELDS = alignUp(ROUTE.endedByDownstream + 1);

function alignUp(slots: number): number {
  return Math.ceil(slots / SLOTS_PER_LINE) * SLOTS_PER_LINE;
}

/** A route is one target of one model entry. */
export interface RouteSlots {
  /** Its place, which it keeps over reloads; also the key of the route's histograms. */
  readonly index: number;
  /** The entry's name in the configuration (`*` for any), not what a client wrote. */
  readonly model: string;
  readonly provider: string;
  /** The name that the provider is asked for; the entry’s where it has none of its own. */
  readonly target: string;
  /** Answers 1xx, 2xx, 3xx, 4xx, 5xx stand in this slot and the four after it; see statusSlot(). */
  readonly firstStatusSlot: number;
  readonly endedByDownstream: number;
  readonly endedByUpstream: number;
  readonly endedByGateway: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Tokens as settled; cached ones are among the input's, reasoning ones among the output's. */
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedInputTokens: number;
  readonly reasoningTokens: number;
  readonly costNanoDollars: number;
  /** Exchanges with usage whose model has no known price. */
  readonly unpriced: number;
  /** Attempts by how they ended stand in this slot and those after it; see attemptSlot(). */
  readonly firstAttemptSlot: number;
}

export interface ProviderSlots {
  readonly name: string;
  /** Its place, which it keeps over reloads. */
  readonly index: number;
  readonly connectionsOpen: number;
  readonly queueLength: number;
  readonly queueRejected: number;
  readonly staleReplays: number;
}

export interface CounterLayout {
  readonly fixed: Readonly<Record<FixedSlotName, number>>;
  /** Exchanges that Weir answered, or cut, with an error of its own. */
  readonly refused: Readonly<Record<ErrorCode, number>>;
  /** By Target.index. */
  readonly routes: readonly RouteSlots[];
  readonly providers: ReadonlyMap<string, ProviderSlots>;
  /** Slots in use. */
  readonly slotCount: number;
  /** Slots that a column has room for. */
  readonly room: number;
  /** Slots from one column's start to the next one's. */
  readonly stride: number;
}

/** As much of a configuration as counters are laid out by. */
export interface CountedConfig {
  readonly models: readonly {
    readonly name: string;
    readonly targets: readonly { readonly provider: string; readonly model?: string | null }[];
  }[];
  readonly providers: readonly { readonly name: string }[];
}

/** Where targets and providers count. */
export interface CounterPlaces {
  /** By Target.index. */
  readonly targets: Int32Array;
  /** By position in the configuration. */
  readonly providers: Int32Array;
  /** How many of each there is room for; the same for all layouts of one memory. */
  readonly targetsMax: number;
  readonly providersMax: number;
}

/** One after the other. */
export function placeInOrder({ models, providers }: CountedConfig): CounterPlaces {
  const targets = models.reduce((sum, model) => sum + model.targets.length, 0);
  return {
    targets: Int32Array.from({ length: targets }, (_, index) => index),
    providers: Int32Array.from(providers, (_, index) => index),
    targetsMax: targets,
    providersMax: providers.length,
  };
}

export function createCounterLayout(
  config: CountedConfig,
  places: CounterPlaces = placeInOrder(config),
): CounterLayout {
  let next = 0;
  const take = (count: number): number => {
    const first = next;
    next += count;
    return first;
  };
  const fixed = Object.fromEntries(FIXED_NAMES.map((name) => [name, take(1)])) as Record<
    FixedSlotName,
    number
  >;
  const codes = Object.keys(ERRORS) as ErrorCode[];
  const refused = Object.fromEntries(codes.map((code) => [code, take(1)])) as Record<
    ErrorCode,
    number
  >;

  const firstProvider = take(places.providersMax * PROVIDER_FIELDS);
  const providers = new Map<string, ProviderSlots>();
  config.providers.forEach(({ name }, position) => {
    const index = places.providers[position] ?? 0;
    const first = firstProvider + index * PROVIDER_FIELDS;
    providers.set(name, {
      name,
      index,
      connectionsOpen: first,
      queueLength: first + 1,
      queueRejected: first + 2,
      staleReplays: first + 3,
    });
  });

  take(alignUp(next) - next);
  const firstRoute = take(places.targetsMax * ROUTE_FIELDS);
  let slotCount = firstRoute;
  const routes: RouteSlots[] = [];
  for (const model of config.models) {
    for (const target of model.targets) {
      const index = places.targets[routes.length] ?? 0;
      const first = firstRoute + index * ROUTE_FIELDS;
      slotCount = Math.max(slotCount, first + ROUTE_FIELDS);
      routes.push({
        index,
        model: model.name,
        provider: target.provider,
        target: target.model ?? model.name,
        firstStatusSlot: first + ROUTE.statuses,
        endedByDownstream: first + ROUTE.endedByDownstream,
        endedByUpstream: first + ROUTE.endedByUpstream,
        endedByGateway: first + ROUTE.endedByGateway,
        requestBytes: first + ROUTE.requestBytes,
        responseBytes: first + ROUTE.responseBytes,
        inputTokens: first + ROUTE.inputTokens,
        outputTokens: first + ROUTE.outputTokens,
        cachedInputTokens: first + ROUTE.cachedInputTokens,
        reasoningTokens: first + ROUTE.reasoningTokens,
        costNanoDollars: first + ROUTE.costNanoDollars,
        unpriced: first + ROUTE.unpriced,
        firstAttemptSlot: first + ROUTE.attempts,
      });
    }
  }

  // Small buffers do not begin on a cache line, so rounding up alone would let two columns meet in one.
  // A whole unused line between them keeps them apart wherever the buffer begins.
  const stride = alignUp(next) + SLOTS_PER_LINE;
  return { fixed, refused, routes, providers, slotCount, room: next, stride };
}

/** The slot that counts answers with `status` on this route. What is not a status counts as 5xx. */
export function statusSlot(route: RouteSlots, status: number): number {
  const isStatus = status >= 100 && status < 600;
  return route.firstStatusSlot + (isStatus ? Math.trunc(status / 100) - 1 : 4);
}

/** The slot that counts attempts with this outcome on this route. */
export function attemptSlot(route: RouteSlots, outcome: AttemptOutcome): number {
  return route.firstAttemptSlot + (outcome === 'ok' ? 0 : ATTEMPT_OUTCOMES.indexOf(outcome));
}

function countBytes(layout: CounterLayout, workers: number): number {
  // One more line in front keeps the first column clear of whatever lies before the buffer.
  return (SLOTS_PER_LINE + layout.stride * workers) * Float64Array.BYTES_PER_ELEMENT;
}

export function createCounterBuffer(layout: CounterLayout, workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer(countBytes(layout, workers));
}

function viewColumn(
  layout: CounterLayout,
  buffer: SharedArrayBuffer,
  worker: number,
): Float64Array {
  const firstSlot = SLOTS_PER_LINE + layout.stride * worker;
  return new Float64Array(buffer, firstSlot * Float64Array.BYTES_PER_ELEMENT, layout.room);
}

/** What a worker writes through. `worker` counts from 0; no two writers may share one. */
export class CounterColumn {
  readonly #slots: Float64Array;

  constructor(layout: CounterLayout, buffer: SharedArrayBuffer, worker: number) {
    if (buffer.byteLength < countBytes(layout, worker + 1)) {
      throw new RangeError(`the counters' buffer has no column ${worker} of this layout`);
    }
    this.#slots = viewColumn(layout, buffer, worker);
  }

  add(slot: number, amount: number): void {
    this.#slots[slot]! += amount;
  }

  set(slot: number, value: number): void {
    this.#slots[slot] = value;
  }

  get(slot: number): number {
    return this.#slots[slot] ?? 0;
  }
}

/** Sets to zero what goes up and down; the rest is totals. Only of a thread that has ended. */
export function resetGauges(
  layout: CounterLayout,
  buffer: SharedArrayBuffer,
  worker: number,
): void {
  const column = viewColumn(layout, buffer, worker);
  const { connectionsOpen, exchangesInFlight, bodyBytesHeld } = layout.fixed;
  for (const slot of [connectionsOpen, exchangesInFlight, bodyBytesHeld]) column[slot] = 0;
  for (const provider of layout.providers.values()) {
    column[provider.connectionsOpen] = 0;
    column[provider.queueLength] = 0;
  }
}

/** One worker's column as it stands, by slot. */
export function readColumn(
  layout: CounterLayout,
  buffer: SharedArrayBuffer,
  worker: number,
): Float64Array {
  return viewColumn(layout, buffer, worker);
}

/** The sum over all workers, by slot. Off the hot path: one pass over the buffer. */
export function readCounters(
  layout: CounterLayout,
  buffer: SharedArrayBuffer,
  workers: number,
): Float64Array {
  const sums = new Float64Array(layout.slotCount);
  for (let worker = 0; worker < workers; worker += 1) {
    const column = viewColumn(layout, buffer, worker);
    for (let slot = 0; slot < sums.length; slot += 1) sums[slot]! += column[slot]!;
  }
  return sums;
}

/** A worker's part in the figures of tally-layout.ts: a few additions for an exchange that is over, nothing else. */
import type { Exchange, Settled } from '../exchange.js';
import { findStatusClass, STATUS_CLASSES } from './status-classes.js';
import {
  CONSUMER_USES,
  type HistogramPlace,
  NO_CONSUMER,
  OPERATIONS,
  OTHER_CONSUMERS,
  PROVIDER_HISTOGRAMS,
  type ProviderHistogram,
  ROUTE_HISTOGRAMS,
  type TallyLayout,
  type TallySizes,
} from './tally-layout.js';
import { isAnsweredWhole, timePerTokenMs } from './token-time.js';

/** What a worker is told of a generation's places. */
export interface TallyStart {
  readonly memory: SharedArrayBuffer;
  readonly sizes: TallySizes;
  /** By position in the configuration. */
  readonly consumers: Int32Array;
}

const MS_PER_S = 1000;
const CHAT = OPERATIONS.indexOf('chat');
const TEXT_COMPLETION = OPERATIONS.indexOf('text_completion');
const EMBEDDINGS = OPERATIONS.indexOf('embeddings');
const INPUT = STATUS_CLASSES.length + CONSUMER_USES.indexOf('input');
const OUTPUT = STATUS_CLASSES.length + CONSUMER_USES.indexOf('output');
const CACHED_INPUT = STATUS_CLASSES.length + CONSUMER_USES.indexOf('cached_input');
const REASONING = STATUS_CLASSES.length + CONSUMER_USES.indexOf('reasoning');
const NANO_DOLLARS = STATUS_CLASSES.length + CONSUMER_USES.indexOf('nanoDollars');

export class Tally {
  readonly #layout: TallyLayout;
  readonly #slots: Float64Array;
  readonly #consumers: Int32Array;

  /** @param slots the worker's column. @param consumers their places, by position in the configuration. */
  constructor(layout: TallyLayout, slots: Float64Array, consumers: Int32Array) {
    this.#layout = layout;
    this.#slots = slots;
    this.#consumers = consumers;
  }

  /**
   * An exchange that is over and settled.
   * @param route its target's place; -1: it never had one.
   */
  count(exchange: Exchange, route: number, endedMs: number): void {
    const { status, settled, identity } = exchange;
    const statusClass = findStatusClass(status);
    const index = identity === null ? -1 : identity.consumerIndex;
    const consumer = index < 0 ? NO_CONSUMER : (this.#consumers[index] ?? OTHER_CONSUMERS);
    const own = this.#layout.consumerSlot(consumer);
    this.#add(own + statusClass, 1);
    if (settled !== null) {
      this.#countUse(own, settled);
    }
    if (route >= 0) {
      this.#countRoute(exchange, this.#layout.routeSlot(route), statusClass, endedMs);
    }
  }

  /** @param provider its place. */
  countConnection(provider: number, name: ProviderHistogram, ms: number): void {
    this.#record(this.#layout.providerSlot(provider), PROVIDER_HISTOGRAMS[name], 0, ms / MS_PER_S);
  }

  #countUse(own: number, { usage, costNanoDollars }: Settled): void {
    this.#add(own + INPUT, usage.inputTokens);
    this.#add(own + OUTPUT, usage.outputTokens);
    this.#add(own + CACHED_INPUT, usage.cachedInputTokens);
    this.#add(own + REASONING, usage.reasoningTokens);
    this.#add(own + NANO_DOLLARS, costNanoDollars);
  }

  #countRoute(exchange: Exchange, route: number, statusClass: number, endedMs: number): void {
    const { startedMs, headMs, firstByteMs, status } = exchange;
    const { duration, firstByte, added } = ROUTE_HISTOGRAMS;
    this.#record(route, duration, statusClass, (endedMs - startedMs) / MS_PER_S);
    if (headMs > 0 && status !== null) {
      // A client that leaves between the provider's head and its first byte has seen none.
      if (firstByteMs > 0) {
        this.#record(route, firstByte, 0, (firstByteMs - startedMs) / MS_PER_S);
      }
      this.#record(route, added, 0, exchange.addedMs / MS_PER_S);
    }
    this.#countEstimate(exchange, route);
    const operation = findOperation(exchange);
    if (operation >= 0 && exchange.sentMs > 0) {
      this.#countOperation(exchange, route, operation, endedMs);
    }
  }

  #countEstimate({ estimate, settled }: Exchange, route: number): void {
    if (estimate === null || settled === null || settled.isEstimated) {
      return;
    }
    const tokens = settled.usage.inputTokens + settled.usage.outputTokens;
    if (tokens > 0) {
      const ratio = (estimate.inputTokens + estimate.outputTokens) / tokens;
      this.#record(route, ROUTE_HISTOGRAMS.estimate, 0, ratio);
    }
  }

  /** As the provider's client sees it: from the moment the request was written to it. */
  #countOperation(exchange: Exchange, route: number, operation: number, endedMs: number): void {
    const { sentMs, firstTokenMs, settled } = exchange;
    const places = ROUTE_HISTOGRAMS;
    const outcome = isAnsweredWhole(exchange) ? places.operation : places.failedOperation;
    this.#record(route, outcome, operation, (endedMs - sentMs) / MS_PER_S);
    if (firstTokenMs > 0) {
      this.#record(route, places.firstToken, operation, (firstTokenMs - sentMs) / MS_PER_S);
    }
    if (settled === null || settled.isEstimated) {
      return;
    }
    const { inputTokens, outputTokens } = settled.usage;
    this.#record(route, places.inputTokens, operation, inputTokens);
    if (operation !== EMBEDDINGS) {
      this.#record(route, places.outputTokens, operation, outputTokens);
    }
    const tokenMs = timePerTokenMs(exchange, endedMs);
    if (tokenMs >= 0) {
      this.#record(route, places.tokenTime, operation, tokenMs / MS_PER_S);
    }
  }

  #record(base: number, { bounds, offset, size }: HistogramPlace, nth: number, value: number) {
    const slots = this.#slots;
    const first = base + offset + nth * size;
    const { length } = bounds;
    let bucket = 0;
    while (bucket < length && value > (bounds[bucket] as number)) {
      bucket += 1;
    }
    slots[first + bucket] = (slots[first + bucket] as number) + 1;
    // Not what is no number, which would spoil the sum for ever.
    if (value > 0 && value < Number.POSITIVE_INFINITY) {
      slots[first + size - 1] = (slots[first + size - 1] as number) + value;
    }
  }

  #add(slot: number, amount: number): void {
    this.#slots[slot] = (this.#slots[slot] as number) + amount;
  }
}

/** By the path's end, since providers' paths begin in several ways; -1: no operation that has a name. */
function findOperation({ dialect, head: { path } }: Exchange): number {
  if (path.endsWith('/chat/completions') || path.endsWith('/responses')) {
    return CHAT;
  }
  if (dialect === 'anthropic') {
    return path.endsWith('/messages') || path.endsWith('/complete') ? CHAT : -1;
  }
  if (path.endsWith('/completions')) {
    return TEXT_COMPLETION;
  }
  return path.endsWith('/embeddings') ? EMBEDDINGS : -1;
}

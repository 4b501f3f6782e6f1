/**
 * Admits an exchange to the limits of its consumer and of whoever calls before it is passed on, and settles what it
 * really used when it is over. One worker's; what all workers share is the table behind the ledger.
 */
import type { CallersConfig, ConsumerConfig, LimitConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { nowMs, toSharedMs } from '../core/clock.js';
import { GatewayError } from '../core/errors.js';
import type { Estimate, Exchange } from '../exchange.js';
import type { Ledger } from '../limits/ledger.js';
import type { Need, Refusal, Usage } from '../limits/reservation.js';
import { countAttachedBytes } from './attachments.js';
import { nameCaller } from './callers.js';
import { costNanoDollars, estimateCostNanoDollars, type TokenPrice } from './cost.js';
import { DeputyHold, type LimitDeputy } from './deputy.js';
import type { Estimator } from './estimate.js';
import { type Denial, Holds } from './holds.js';
import { describeLimit } from './limit-text.js';
import type { PriceList } from './prices.js';
import { estimateUsed, readStated } from './settlement.js';

export interface AdmissionParts {
  readonly consumers: readonly ConsumerConfig[] | null;
  readonly callers: CallersConfig | null;
  /** Of the consumers' table. */
  readonly ledger: Ledger;
  /** Of the callers' table; null where callers are not told apart. */
  readonly callerLedger: Ledger | null;
  readonly prices: PriceList;
  readonly estimator: Estimator;
  /** What every exchange has used is recorded, whoever calls; and whether its end user is. */
  readonly recordsUsage: boolean;
  readonly recordsUsers: boolean;
  /** The prompt's tokens, counted; null where that can't be had in time. */
  readonly countTokens: (body: Uint8Array, model: string) => Promise<number | null>;
  /** Who keeps the consumers' limits; null, nearly always: the ledger. */
  readonly findDeputy: () => LimitDeputy | null;
}

/** What of limits decides how an exchange is treated. */
interface Manner {
  readonly hasLimits: boolean;
  /** Tokens or money are limited: the estimate is made, and the provider must say what was used. */
  readonly isMeasured: boolean;
  readonly hasStreamLimits: boolean;
}

/** By the sum of the bits below. */
const MANNERS: readonly Manner[] = Array.from({ length: 8 }, (_, bits) => ({
  hasLimits: (bits & 1) !== 0,
  isMeasured: (bits & 2) !== 0,
  hasStreamLimits: (bits & 4) !== 0,
}));
const NO_LIMITS = MANNERS[0] as Manner;
const TOKEN_KINDS: ReadonlySet<string> = new Set(['tokens', 'input_tokens', 'cost']);

export class Admission {
  readonly #parts: AdmissionParts;
  readonly #holds: Holds;
  /** By consumer, its place in MANNERS: a byte each, so that those of many consumers stay in a cache. */
  readonly #manners: Uint8Array;
  readonly #callersManner: Manner;
  #lastPath = '';
  #lastHasNoOutput = false;
  readonly #need = { requests: 1, inputTokens: 0, outputTokens: 0, costNanoDollars: 0 };
  readonly #spent = { inputTokens: 0, outputTokens: 0, costNanoDollars: 0 };

  constructor(parts: AdmissionParts, rowsMax: number) {
    this.#parts = parts;
    this.#holds = new Holds(parts.ledger, parts.callerLedger ?? parts.ledger, rowsMax);
    this.#manners = Uint8Array.from(parts.consumers ?? [], ({ limits }) => findManner(limits));
    this.#callersManner = MANNERS[findManner(parts.callers?.limits ?? [])] ?? NO_LIMITS;
  }

  /** What must be known of this exchange's body and answer; to be asked as soon as the consumer is known. */
  prepare(exchange: Exchange): void {
    const ofCallers = this.#callersManner;
    const isKnown = (exchange.identity?.consumerIndex ?? -1) >= 0;
    const { recordsUsage, recordsUsers, callers } = this.#parts;
    exchange.isMetered = isKnown || ofCallers.isMeasured || recordsUsage;
    exchange.asksUsage =
      this.#mannerOf(exchange).isMeasured || ofCallers.isMeasured || recordsUsage;
    exchange.asksUser = callers?.by === 'user' || recordsUsers;
  }

  /**
   * Takes what the exchange may need from all limits of its consumer and of its caller, or from none.
   *
   * @returns null, or a promise where the prompt must be counted first; it resolves when the exchange may go on.
   * @throws GatewayError `rate_limit_exceeded`, or `overloaded` where no more callers can be told apart; and the promise
   *   rejects with it.
   */
  admit(exchange: Exchange): Promise<void> | null {
    const { callers } = this.#parts;
    const caller = callers === null ? null : nameCaller(callers.by, exchange);
    const ofConsumer = this.#mannerOf(exchange);
    const ofCaller = caller === null ? NO_LIMITS : this.#callersManner;
    if (ofConsumer.isMeasured || ofCaller.isMeasured || this.#parts.recordsUsage) {
      exchange.estimate = this.#estimate(exchange);
    }
    if (!ofConsumer.hasLimits && !ofCaller.hasLimits) {
      return null;
    }
    exchange.endsWhenExhausted = ofConsumer.hasStreamLimits || ofCaller.hasStreamLimits;
    const deputy = this.#parts.findDeputy();
    if (deputy !== null && ofConsumer.hasLimits) {
      return this.#reserveElsewhere(exchange, deputy, caller);
    }
    const denial = this.#reserve(exchange, caller, exchange.readyMs);
    if (denial === null) {
      return null;
    }
    if (exchange.estimate !== null && isWorthCounting(exchange, denial.refusal)) {
      return this.#countAndReserve(exchange, exchange.estimate, caller);
    }
    throw this.#refuse(exchange, denial);
  }

  /** Whether a limit that holds within streams is used up by what the stream has brought so far. */
  isExhausted(exchange: Exchange): boolean {
    const { meter, estimate } = exchange;
    if (meter === null || estimate === null) {
      return false;
    }
    const outputTokens = meter.estimateDelivered();
    const spent = {
      inputTokens: estimate.inputTokens,
      outputTokens,
      costNanoDollars: this.#priceTokens(exchange, estimate.inputTokens, outputTokens),
    };
    return this.#holds.isExhausted(exchange, spent, toSharedMs(nowMs()));
  }

  /** Header lines about what is left of the exchange's limits; lent until the next call. */
  formatLimits(exchange: Exchange): Uint8Array | null {
    return this.#holds.formatLimits(exchange);
  }

  /** When the exchange is over, at `endedMs`, whichever way: exactly once, since it gives the reservations up. */
  settle(exchange: Exchange, endedMs: number): void {
    // What the provider never saw is given back, the request too.
    const isSent = exchange.sentMs > 0;
    if (isSent && exchange.isMetered) {
      this.#settleUsed(exchange, endedMs);
    }
    exchange.meter?.release();
    if (exchange.deputyHold !== null) {
      exchange.deputyHold.settle(isSent ? this.#readSpent(exchange) : null);
      exchange.deputyHold = null;
    }
    if (exchange.reservation !== null || exchange.callerReservation !== null) {
      this.#holds.close(exchange, isSent ? this.#readSpent(exchange) : null, toSharedMs(endedMs));
    }
  }

  #settleUsed(exchange: Exchange, endedMs: number): void {
    const { target, estimate } = exchange;
    const stated = readStated(exchange);
    const usage = stated ?? estimateUsed(exchange);
    if (usage === null || target === null) {
      return;
    }
    const price = this.#priceOf(exchange);
    exchange.settled = {
      usage,
      costNanoDollars: costNanoDollars(price, usage),
      isPriced: price !== null,
      isEstimated: stated === null,
    };
    if (estimate !== null && stated !== null) {
      const { modelKey, textBytes, attachedBytes } = estimate;
      const answers = exchange.asked?.answers ?? 1;
      this.#parts.estimator.learn(modelKey, textBytes, attachedBytes, answers, stated, endedMs);
    }
  }

  /** Valid until the next call. */
  #readSpent({ settled }: Exchange): Usage {
    const spent = this.#spent;
    spent.inputTokens = settled?.usage.inputTokens ?? 0;
    spent.outputTokens = settled?.usage.outputTokens ?? 0;
    spent.costNanoDollars = settled?.costNanoDollars ?? 0;
    return spent;
  }

  #mannerOf({ identity }: Exchange): Manner {
    const index = identity === null ? -1 : identity.consumerIndex;
    return index < 0 ? NO_LIMITS : (MANNERS[this.#manners[index] ?? 0] ?? NO_LIMITS);
  }

  #estimate(exchange: Exchange): Estimate {
    const { body, asked, target, head } = exchange;
    const modelKey = target?.model ?? exchange.model ?? '';
    const made = { modelKey, inputTokens: 0, outputTokens: 0, textBytes: 0, attachedBytes: 0 };
    if (exchange.model === null || head.method !== 'POST' || body === null) {
      return made;
    }
    const totalBytes = Math.max(body.totalBytes, body.bytes.length);
    // What is no JSON is a form with a file in it: sound, or a picture.
    made.attachedBytes = asked === null ? totalBytes : countAttachedBytes(body.bytes);
    made.textBytes = totalBytes - made.attachedBytes;
    const said = asked?.outputTokensMax ?? -1;
    const outputTokensMax = said < 0 && this.#hasNoOutput(head.path) ? 0 : said;
    const answers = asked?.answers ?? 1;
    this.#parts.estimator.estimate(
      modelKey,
      made.textBytes,
      made.attachedBytes,
      outputTokensMax,
      answers,
      made,
    );
    return made;
  }

  /** Mostly one path is asked for over and over. */
  #hasNoOutput(path: string): boolean {
    if (path !== this.#lastPath) {
      this.#lastPath = path;
      this.#lastHasNoOutput = hasNoOutput(path);
    }
    return this.#lastHasNoOutput;
  }

  #reserve(exchange: Exchange, caller: string | null, atMs: number): Denial | null {
    const need = this.#measureNeed(exchange);
    const { hasLimits } = this.#mannerOf(exchange);
    const consumer = hasLimits ? (exchange.identity?.consumerIndex ?? -1) : -1;
    return this.#holds.reserve(exchange, consumer, caller, need, toSharedMs(atMs));
  }

  /** Valid until the next call. */
  #measureNeed(exchange: Exchange): Need {
    const { estimate } = exchange;
    const need = this.#need;
    need.inputTokens = estimate?.inputTokens ?? 0;
    need.outputTokens = estimate?.outputTokens ?? 0;
    need.costNanoDollars = this.#priceTokens(exchange, need.inputTokens, need.outputTokens);
    return need;
  }

  /** The caller's own limits are this server's still. */
  async #reserveElsewhere(
    exchange: Exchange,
    deputy: LimitDeputy,
    caller: string | null,
  ): Promise<void> {
    keepBody(exchange);
    const consumer = exchange.identity?.consumerName ?? '';
    const model = exchange.target?.entryName ?? null;
    const need = { ...this.#measureNeed(exchange) };
    const answer = await deputy.reserve({ consumer, model, need });
    const hold =
      answer !== null && 'held' in answer ? new DeputyHold(deputy, consumer, answer.held) : null;
    if (exchange.ended !== null) {
      hold?.settle(null);
      return;
    }
    if (answer !== null && 'refusedBy' in answer) {
      throw new GatewayError(
        'rate_limit_exceeded',
        `The limit of consumer "${consumer}" is reached: ${answer.refusedBy ?? 'all of them'}.`,
        { retryAfterMs: answer.retryAfterMs + 1 },
      );
    }
    const denial =
      hold === null
        ? this.#reserve(exchange, caller, nowMs())
        : this.#holds.reserve(exchange, -1, caller, need, toSharedMs(nowMs()));
    if (denial !== null) {
      hold?.settle(null);
      throw this.#refuse(exchange, denial);
    }
    exchange.deputyHold = hold;
  }

  #priceTokens(exchange: Exchange, inputTokens: number, outputTokens: number): number {
    if (inputTokens + outputTokens === 0) {
      return 0;
    }
    return estimateCostNanoDollars(this.#priceOf(exchange), inputTokens, outputTokens);
  }

  #priceOf(exchange: Exchange): TokenPrice | null {
    const { target, model } = exchange;
    if (exchange.price === undefined) {
      exchange.price =
        target === null
          ? null
          : this.#parts.prices.priceOf(target.entryName, target.position, model);
    }
    return exchange.price;
  }

  /** The estimate is careful, so near the limit it may refuse what would pass; there the prompt is counted. */
  async #countAndReserve(
    exchange: Exchange,
    estimate: Estimate,
    caller: string | null,
  ): Promise<void> {
    keepBody(exchange);
    const bytes = exchange.body?.bytes ?? NOTHING;
    const counted = await this.#parts.countTokens(bytes, estimate.modelKey);
    if (exchange.ended !== null) {
      return;
    }
    if (counted !== null && counted < estimate.inputTokens) {
      exchange.estimate = { ...estimate, inputTokens: counted };
    }
    const denial = this.#reserve(exchange, caller, nowMs());
    if (denial !== null) {
      throw this.#refuse(exchange, denial);
    }
  }

  #refuse(exchange: Exchange, { by, refusal: { limit, retryAfterMs } }: Denial): GatewayError {
    if (limit === null) {
      return new GatewayError(
        'overloaded',
        'The gateway tells as many callers apart as it may, and all of them are in use.',
        { retryAfterMs },
      );
    }
    const ofConsumer = `consumer "${exchange.identity?.consumerName ?? ''}"`;
    const ofCaller = this.#parts.callers?.by === 'user' ? 'this user' : 'this address';
    return new GatewayError(
      'rate_limit_exceeded',
      `The limit of ${by === 'consumer' ? ofConsumer : ofCaller} is reached: ${describeLimit(limit)}.`,
      // Timers may fire a millisecond early, Node's do; who waits as told shall get through.
      { retryAfterMs: retryAfterMs + 1 },
    );
  }
}

/** The place in MANNERS. */
function findManner(limits: readonly LimitConfig[]): number {
  const hasLimits = limits.length > 0;
  const isMeasured = limits.some(({ kind }) => kind !== 'requests' && kind !== 'concurrency');
  const hasStreamLimits = limits.some(
    (limit) => limit.kind !== 'concurrency' && limit.enforce === 'stream',
  );
  return Number(hasLimits) + 2 * Number(isMeasured) + 4 * Number(hasStreamLimits);
}

const NOTHING = new Uint8Array(0);

/** Before a wait: what was lent for the turn is copied. */
function keepBody(exchange: Exchange): void {
  const { body } = exchange;
  if (body?.isBorrowed === true) {
    exchange.body = { ...body, bytes: Uint8Array.from(body.bytes), isBorrowed: false };
  }
}

/** Answers of these APIs hold no tokens. */
function hasNoOutput(path: string): boolean {
  return (
    path.endsWith('/embeddings') || path.endsWith('/moderations') || path.endsWith('/count_tokens')
  );
}

function isWorthCounting({ body, asked }: Exchange, { limit }: Refusal): boolean {
  const isLarge = (body?.bytes.length ?? 0) >= BOUNDS.exactCountBodyBytesMin;
  return isLarge && asked !== null && body?.upload === null && TOKEN_KINDS.has(limit?.kind ?? '');
}

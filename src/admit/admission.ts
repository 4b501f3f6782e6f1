/**
 * Admits an exchange to its consumer's limits before it is passed on, and settles what it really used when it is over.
 * One worker's; what all workers share is the table behind the ledger.
 */
import type { ConsumerConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { nowMs, toSharedMs } from '../core/clock.js';
import { GatewayError } from '../core/errors.js';
import type { Estimate, Exchange } from '../exchange.js';
import type { Ledger } from '../limits/ledger.js';
import { type Refusal, Reservation } from '../limits/reservation.js';
import { countAttachedBytes } from './attachments.js';
import { costNanoDollars, estimateCostNanoDollars } from './cost.js';
import type { Estimator } from './estimate.js';
import { formatLimitLines } from './limit-lines.js';
import { describeLimit } from './limit-text.js';
import type { PriceList } from './prices.js';
import { readUsed } from './settlement.js';

export interface AdmissionParts {
  readonly consumers: readonly ConsumerConfig[] | null;
  readonly ledger: Ledger;
  readonly prices: PriceList;
  readonly estimator: Estimator;
  /** The prompt's tokens, counted; null where that can't be had in time. */
  readonly countTokens: (body: Uint8Array, model: string) => Promise<number | null>;
}

/** What of a consumer's limits decides how it is treated. */
interface Manner {
  readonly hasLimits: boolean;
  /** Tokens or money are limited: the estimate is made, and the provider must say what was used. */
  readonly isMeasured: boolean;
  readonly hasStreamLimits: boolean;
}

const NO_LIMITS: Manner = { hasLimits: false, isMeasured: false, hasStreamLimits: false };
const TOKEN_KINDS: ReadonlySet<string> = new Set(['tokens', 'input_tokens', 'cost']);

export class Admission {
  readonly #parts: AdmissionParts;
  readonly #manners: readonly Manner[];
  readonly #unused: Reservation[] = [];
  readonly #rowsMax: number;
  readonly #need = { requests: 1, inputTokens: 0, outputTokens: 0, costNanoDollars: 0 };
  readonly #tokens = { inputTokens: 0, outputTokens: 0 };

  constructor(parts: AdmissionParts, rowsMax: number) {
    this.#parts = parts;
    this.#rowsMax = rowsMax;
    this.#manners = (parts.consumers ?? []).map(({ limits }) => ({
      hasLimits: limits.length > 0,
      isMeasured: limits.some(({ kind }) => kind !== 'requests' && kind !== 'concurrency'),
      hasStreamLimits: limits.some(
        (limit) => limit.kind !== 'concurrency' && limit.enforce === 'stream',
      ),
    }));
  }

  /** What must be known of this exchange's body and answer; to be asked as soon as the consumer is known. */
  prepare(exchange: Exchange): void {
    const { identity } = exchange;
    if (identity !== null && identity.consumerIndex >= 0) {
      exchange.isMetered = true;
      exchange.asksUsage = this.#mannerOf(exchange).isMeasured;
    }
  }

  /**
   * Takes what the exchange may need from all of its consumer's limits, or from none.
   *
   * @returns null, or a promise where the prompt must be counted first; it resolves when the exchange may go on.
   * @throws GatewayError `rate_limit_exceeded`, and the promise rejects with it.
   */
  admit(exchange: Exchange): Promise<void> | null {
    const manner = this.#mannerOf(exchange);
    if (!manner.hasLimits) {
      return null;
    }
    if (manner.isMeasured) {
      exchange.estimate = this.#estimate(exchange);
    }
    // The body is there since then, which is now or a moment ago.
    const refusal = this.#reserve(exchange, manner, toSharedMs(exchange.readyMs));
    if (refusal === null) {
      return null;
    }
    if (exchange.estimate !== null && isWorthCounting(exchange, refusal)) {
      return this.#countAndReserve(exchange, exchange.estimate, manner);
    }
    throw this.#refuse(exchange, refusal);
  }

  /** Whether a limit that holds within streams is used up by what the stream has brought so far. */
  isExhausted(exchange: Exchange): boolean {
    const { reservation, meter, estimate } = exchange;
    if (reservation === null || meter === null || estimate === null) {
      return false;
    }
    const outputTokens = meter.estimateDelivered();
    const spent = {
      inputTokens: estimate.inputTokens,
      outputTokens,
      costNanoDollars: this.#priceTokens(exchange, estimate.inputTokens, outputTokens),
    };
    return this.#parts.ledger.isExhausted(reservation, spent, toSharedMs(nowMs()));
  }

  /** When the exchange is over, at `endedMs`, whichever way: exactly once, since it gives the reservation up. */
  settle(exchange: Exchange, endedMs: number): void {
    if (!exchange.isMetered) {
      return;
    }
    const { reservation } = exchange;
    exchange.reservation = null;
    const atMs = toSharedMs(endedMs);
    const isSent = exchange.sentMs > 0;
    if (isSent) {
      this.#settleUsed(exchange);
    }
    if (reservation !== null) {
      const used = exchange.settled;
      if (isSent) {
        this.#parts.ledger.settle(
          reservation,
          {
            inputTokens: used?.usage.inputTokens ?? 0,
            outputTokens: used?.usage.outputTokens ?? 0,
            costNanoDollars: used?.costNanoDollars ?? 0,
          },
          atMs,
        );
      } else {
        // The provider never saw it.
        this.#parts.ledger.refund(reservation, atMs);
      }
      if (this.#unused.length < BOUNDS.reservationsKeptMax) {
        this.#unused.push(reservation);
      }
    }
  }

  #settleUsed(exchange: Exchange): void {
    const used = readUsed(exchange);
    const { target, estimate } = exchange;
    if (used === null || target === null) {
      return;
    }
    const price = this.#parts.prices.priceOf(target.entryName, target.position, exchange.model);
    exchange.settled = {
      usage: used.usage,
      costNanoDollars: costNanoDollars(price, used.usage),
      isPriced: price !== null,
      isEstimated: used.isEstimated,
    };
    if (estimate !== null && !used.isEstimated) {
      const { modelKey, textBytes, attachedBytes } = estimate;
      const answers = exchange.asked?.answers ?? 1;
      this.#parts.estimator.learn(modelKey, textBytes, attachedBytes, answers, used.usage);
    }
  }

  #mannerOf({ identity }: Exchange): Manner {
    return this.#manners[identity?.consumerIndex ?? -1] ?? NO_LIMITS;
  }

  #estimate(exchange: Exchange): Estimate {
    const { body, asked, target, head } = exchange;
    const modelKey = target?.model ?? exchange.model ?? '';
    if (exchange.model === null || head.method !== 'POST' || body === null) {
      return { modelKey, inputTokens: 0, outputTokens: 0, textBytes: 0, attachedBytes: 0 };
    }
    const totalBytes = Math.max(body.totalBytes, body.bytes.length);
    // What is no JSON is a form with a file in it: sound, or a picture.
    const attachedBytes = asked === null ? totalBytes : countAttachedBytes(body.bytes);
    const textBytes = totalBytes - attachedBytes;
    const outputTokensMax = hasNoOutput(head.path) ? 0 : (asked?.outputTokensMax ?? -1);
    const answers = asked?.answers ?? 1;
    const tokens = this.#tokens;
    this.#parts.estimator.estimate(
      modelKey,
      textBytes,
      attachedBytes,
      outputTokensMax,
      answers,
      tokens,
    );
    const { inputTokens, outputTokens } = tokens;
    return { modelKey, inputTokens, outputTokens, textBytes, attachedBytes };
  }

  #reserve(exchange: Exchange, manner: Manner, atMs: number): Refusal | null {
    const { ledger } = this.#parts;
    const consumer = exchange.identity?.consumerIndex ?? -1;
    const { estimate } = exchange;
    const model = exchange.target?.entryName ?? null;
    const need = this.#need;
    need.inputTokens = estimate?.inputTokens ?? 0;
    need.outputTokens = estimate?.outputTokens ?? 0;
    need.costNanoDollars = this.#priceTokens(exchange, need.inputTokens, need.outputTokens);
    const reservation = this.#unused.pop() ?? new Reservation(this.#rowsMax);
    const refusal = ledger.reserve(consumer, model, need, atMs, reservation);
    if (refusal === null) {
      exchange.reservation = reservation;
      exchange.endsWhenExhausted = manner.hasStreamLimits;
    } else {
      this.#unused.push(reservation);
    }
    exchange.limitLines =
      formatLimitLines('requests', ledger.tightest(consumer, model, 'requests', atMs)) +
      formatLimitLines('tokens', ledger.tightest(consumer, model, 'tokens', atMs));
    return refusal;
  }

  #priceTokens({ target, model }: Exchange, inputTokens: number, outputTokens: number): number {
    if (target === null || inputTokens + outputTokens === 0) {
      return 0;
    }
    const price = this.#parts.prices.priceOf(target.entryName, target.position, model);
    return estimateCostNanoDollars(price, inputTokens, outputTokens);
  }

  /** The estimate is careful, so near the limit it may refuse what would pass; there the prompt is counted. */
  async #countAndReserve(exchange: Exchange, estimate: Estimate, manner: Manner): Promise<void> {
    const { body } = exchange;
    if (body !== null && body.isBorrowed) {
      exchange.body = { ...body, bytes: Uint8Array.from(body.bytes), isBorrowed: false };
    }
    const bytes = exchange.body?.bytes ?? NOTHING;
    const counted = await this.#parts.countTokens(bytes, estimate.modelKey);
    if (exchange.ended !== null) {
      return;
    }
    if (counted !== null && counted < estimate.inputTokens) {
      exchange.estimate = { ...estimate, inputTokens: counted };
    }
    const refusal = this.#reserve(exchange, manner, toSharedMs(nowMs()));
    if (refusal !== null) {
      throw this.#refuse(exchange, refusal);
    }
  }

  #refuse(exchange: Exchange, { limit, retryAfterMs }: Refusal): GatewayError {
    const whose = exchange.identity?.consumerName ?? '';
    const which = limit === null ? 'no room is left in the table' : describeLimit(limit);
    return new GatewayError(
      'rate_limit_exceeded',
      `The limit of consumer "${whose}" is reached: ${which}.`,
      { retryAfterMs },
    );
  }
}

const NOTHING = new Uint8Array(0);

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

/**
 * Writes usage records as msgpack: an array of the values of fields.ts, right into the memory that the primary reads.
 *
 * Of most exchanges what they asked for, where they went and how they ended is as of one before, so these parts are kept
 * packed. Looking at each character of them again would take longer than all else about a record.
 */
import { BOUNDS } from '../core/bounds.js';
import { DayTime } from '../core/clock.js';
import type { Ended, Exchange, Settled } from '../exchange.js';
import type { Target } from '../route/models.js';
import { USAGE_FIELDS } from './fields.js';
import { Packer } from './packer.js';

const TEXT_MAX = BOUNDS.usageTextBytesMax;
/** Requests that are kept packed, each in a place of its own; a power of 2. */
const REQUESTS_KEPT = 64;
const TARGETS_KEPT = 256;
/** A longer part is not kept. */
const KEPT_BYTES_MAX = 512;
/** From `input_tokens` to `cost_nano_dollars`. */
const SETTLED_FIELDS =
  USAGE_FIELDS.indexOf('cost_nano_dollars') - USAGE_FIELDS.indexOf('input_tokens') + 1;

/** From `dialect` to `model`. */
interface KeptRequest {
  readonly dialect: string;
  readonly method: string;
  readonly path: string;
  readonly isStream: boolean | null;
  readonly model: string | null;
  readonly packed: Buffer;
}

/** From `entry` to `target`. */
interface KeptTarget {
  readonly target: Target;
  /** Which the client asked for, where the target has no name of its own. */
  readonly model: string | null;
  readonly packed: Buffer;
}

/** From `status` to `attempts`. */
interface KeptEnd {
  readonly status: number | null;
  readonly upstreamStatus: number;
  readonly ended: Ended | null;
  readonly attempts: number;
  readonly packed: Buffer;
}

export class UsageEncoder {
  readonly #redact: (text: string) => string;
  /** Where parts are packed that will be kept. */
  readonly #scratch = Buffer.alloc(BOUNDS.usageRecordBytesMax);
  readonly #packer = new Packer(this.#scratch);
  readonly #aside = new Packer(this.#scratch);
  readonly #requests: (KeptRequest | null)[] = new Array(REQUESTS_KEPT).fill(null);
  readonly #targets: (KeptTarget | null)[] = new Array(TARGETS_KEPT).fill(null);
  #end: KeptEnd | null = null;
  readonly #dayTime = new DayTime();

  /** @param redact masks keys in what a client wrote. */
  constructor(redact: (text: string) => string) {
    this.#redact = redact;
  }

  /**
   * Writes at most BOUNDS.usageRecordBytesMax bytes.
   *
   * @param endedMs when it was over; of core/clock.ts.
   * @returns one past the last byte.
   */
  encode(exchange: Exchange, endedMs: number, bytes: Buffer, at: number): number {
    const packer = this.#packer;
    const { identity, user, head, startedMs } = exchange;
    packer.begin(bytes, at);
    packer.putArrayHead(USAGE_FIELDS.length);
    packer.putText(exchange.id, TEXT_MAX);
    packer.putInteger(Math.floor(this.#dayTime.of(endedMs) - (endedMs - startedMs)));
    packer.putText(identity === null ? null : identity.consumerName, TEXT_MAX);
    packer.putText(user === null ? null : this.#redact(user), TEXT_MAX);
    packer.putText(head.callerAddress === '' ? null : head.callerAddress, TEXT_MAX);
    packer.putPacked(this.#packRequest(exchange));
    this.#putTarget(exchange);
    packer.putPacked(this.#packEnd(exchange));
    this.#putSettled(exchange.settled);
    packer.putInteger(exchange.requestBytes);
    packer.putInteger(exchange.responseBytes);
    packer.putMoment(startedMs, exchange.readyMs);
    packer.putMoment(startedMs, exchange.sentMs);
    packer.putMoment(startedMs, exchange.headMs);
    packer.putMoment(startedMs, exchange.firstByteMs);
    packer.putSpan(startedMs, endedMs);
    if (exchange.headMs > 0) {
      packer.putSpan(0, exchange.addedMs);
    } else {
      packer.putNil();
    }
    return packer.end;
  }

  #packRequest({ dialect, head, asked, model }: Exchange): Buffer {
    const { method, path } = head;
    const isStream = asked === null ? null : asked.isStream;
    const slot = chooseSlot(path, model, isStream);
    const kept = this.#requests[slot] ?? null;
    if (
      kept !== null &&
      kept.model === model &&
      kept.path === path &&
      kept.isStream === isStream &&
      kept.method === method &&
      kept.dialect === dialect
    ) {
      return kept.packed;
    }
    const packer = this.#aside;
    packer.begin(this.#scratch, 0);
    packer.putText(dialect, TEXT_MAX);
    packer.putText(method, TEXT_MAX);
    packer.putText(this.#redact(path), BOUNDS.usagePathBytesMax);
    if (isStream === null) {
      packer.putNil();
    } else {
      packer.putFlag(isStream);
    }
    packer.putText(model === null ? null : this.#redact(model), TEXT_MAX);
    const packed = this.#takeAside();
    if (packed.length <= KEPT_BYTES_MAX) {
      this.#requests[slot] = { dialect, method, path, isStream, model, packed };
    }
    return packed;
  }

  #putTarget({ target, model }: Exchange): void {
    if (target === null) {
      for (let i = 0; i < TARGET_FIELDS; i += 1) {
        this.#packer.putNil();
      }
      return;
    }
    const kept = this.#targets[target.index % TARGETS_KEPT] ?? null;
    this.#packer.putPacked(
      kept !== null && kept.target === target && (kept.model === model || target.model !== null)
        ? kept.packed
        : this.#packTarget(target, model),
    );
  }

  #packTarget(target: Target, model: string | null): Buffer {
    const packer = this.#aside;
    packer.begin(this.#scratch, 0);
    packer.putText(target.entryName, TEXT_MAX);
    packer.putText(target.provider, TEXT_MAX);
    // Without a name of its own the provider was asked for what the client wrote.
    const asked = target.model ?? (model === null ? null : this.#redact(model));
    packer.putText(asked, TEXT_MAX);
    packer.putInteger(target.position);
    const packed = this.#takeAside();
    if (packed.length <= KEPT_BYTES_MAX) {
      this.#targets[target.index % TARGETS_KEPT] = { target, model, packed };
    }
    return packed;
  }

  #packEnd({ status, upstreamStatus, ended, attemptsMade, sentMs }: Exchange): Buffer {
    const attempts = attemptsMade > 0 ? attemptsMade : Number(sentMs > 0);
    const kept = this.#end;
    if (
      kept !== null &&
      kept.ended === ended &&
      kept.status === status &&
      kept.upstreamStatus === upstreamStatus &&
      kept.attempts === attempts
    ) {
      return kept.packed;
    }
    const packer = this.#aside;
    packer.begin(this.#scratch, 0);
    packer.putInteger(status);
    packer.putInteger(upstreamStatus === 0 ? null : upstreamStatus);
    packer.putText(ended === null ? 'gateway' : ended.by, TEXT_MAX);
    packer.putText(ended === null ? 'done' : ended.phase, TEXT_MAX);
    packer.putText(ended === null ? 'unknown' : ended.reason, TEXT_MAX);
    packer.putInteger(attempts);
    const packed = this.#takeAside();
    this.#end = { status, upstreamStatus, ended, attempts, packed };
    return packed;
  }

  #putSettled(settled: Settled | null): void {
    const packer = this.#packer;
    if (settled === null) {
      for (let i = 0; i < SETTLED_FIELDS; i += 1) {
        packer.putNil();
      }
      return;
    }
    const { usage } = settled;
    packer.putInteger(usage.inputTokens);
    packer.putInteger(usage.cachedInputTokens);
    packer.putInteger(usage.cacheWriteTokens);
    packer.putInteger(usage.outputTokens);
    packer.putInteger(usage.reasoningTokens);
    packer.putInteger(usage.audioInputTokens);
    packer.putInteger(usage.audioOutputTokens);
    packer.putFlag(settled.isEstimated);
    packer.putInteger(settled.isPriced ? settled.costNanoDollars : null);
  }

  #takeAside(): Buffer {
    return Buffer.from(this.#scratch.subarray(0, this.#aside.end));
  }
}

/** From `entry` to `target`. */
const TARGET_FIELDS = USAGE_FIELDS.indexOf('target') - USAGE_FIELDS.indexOf('entry') + 1;

/** Not for its quality: requests that differ shall mostly have places that differ. */
function chooseSlot(path: string, model: string | null, isStream: boolean | null): number {
  const last = model === null || model === '' ? 0 : model.charCodeAt(model.length - 1);
  const length = model === null ? 0 : model.length;
  return (
    (path.length * 13 + length * 5 + last + (isStream === true ? 31 : 0)) & (REQUESTS_KEPT - 1)
  );
}

/** Sends a parcel of usage records to the receiver, over HTTP, and tells what came of it. */
import type { UsageDeliveryConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { wallClockMs } from '../core/clock.js';
import { nameValues } from './fields.js';
import { encodeRecords } from './segment-format.js';

export type SendOutcome =
  | { readonly kind: 'taken' }
  /** To be sent in smaller parts. */
  | { readonly kind: 'too-large' }
  /** To be sent again; `afterMs` is what the receiver asks for, 0 where it does not say. */
  | { readonly kind: 'failed'; readonly reason: string; readonly afterMs: number };

const CONTENT_TYPES = {
  ndjson: 'application/x-ndjson',
  msgpack: 'application/vnd.msgpack',
} as const;

export function formatBody(
  format: UsageDeliveryConfig['format'],
  fields: readonly string[],
  records: readonly unknown[][],
): Buffer {
  if (format === 'msgpack') {
    return encodeRecords(fields, records);
  }
  const lines = records.map((values) => `${JSON.stringify(nameValues(fields, values))}\n`);
  return Buffer.from(lines.join(''));
}

export class Sender {
  readonly #config: UsageDeliveryConfig;
  readonly #userAgent: string;

  constructor(config: UsageDeliveryConfig, version: string) {
    this.#config = config;
    this.#userAgent = `weir/${version}`;
  }

  /** @param key the same each time the same records are sent. @param signal gives it up. Never throws. */
  async send(
    body: Buffer,
    records: number,
    key: string,
    signal: AbortSignal,
  ): Promise<SendOutcome> {
    const { url, token, format, timeoutMs } = this.#config;
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': CONTENT_TYPES[format],
          'idempotency-key': key,
          'user-agent': this.#userAgent,
          'weir-usage-records': String(records),
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        },
        body,
        // The token is for this receiver and for no other.
        redirect: 'error',
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      // Nothing is done with what it says; without an end of it the connection would not be used again.
      await discard(response);
      return judge(response);
    } catch (error) {
      return { kind: 'failed', reason: describe(error), afterMs: 0 };
    }
  }
}

async function discard({ body }: Response): Promise<void> {
  const reader = body?.getReader();
  let bytes = 0;
  while (reader !== undefined && bytes <= BOUNDS.discardedAnswerBytesMax) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    bytes += value.byteLength;
  }
  await reader?.cancel();
}

function judge({ ok, status, headers }: Response): SendOutcome {
  if (ok) {
    return { kind: 'taken' };
  }
  if (status === 413) {
    return { kind: 'too-large' };
  }
  const afterMs = readRetryAfterMs(headers.get('retry-after'));
  return { kind: 'failed', reason: `the receiver answered ${status}`, afterMs };
}

/** Seconds or a date (RFC 9110 section 10.2.3); 0: none, or none that can be read. */
function readRetryAfterMs(value: string | null): number {
  if (value === null) {
    return 0;
  }
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - wallClockMs();
  return ms > 0 ? Math.min(ms, BOUNDS.usageRetryAfterMsMax) : 0;
}

/** Of fetch: `fetch failed`, whose cause says why. The URL has no secrets, and neither have these. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  const { cause } = error;
  return cause instanceof Error && cause.message !== '' ? cause.message : error.message;
}

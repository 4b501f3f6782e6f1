/** Exchanges that are over, for usage records: one as they mostly are, and arbitrary ones. */
import fc from 'fast-check';
import type { Usage } from '../../src/core/usage.js';
import type { Exchange, Phase } from '../../src/exchange.js';
import { USAGE_FIELDS, type UsageRecord, type UsageValue } from '../../src/usage/fields.js';
import { createExchange } from './stage-fakes.js';

export interface Over {
  readonly exchange: Exchange;
  readonly endedMs: number;
}

/** What of a target a record tells. */
export function createTarget(overrides: Partial<NonNullable<Exchange['target']>> = {}) {
  return {
    entryName: 'gpt-4o',
    position: 1,
    index: 3,
    provider: 'openai-eu',
    model: 'gpt-4o-2024',
    timeouts: null,
    wholeMs: 0,
    keepAliveMs: 0,
    ...overrides,
  };
}

export function createUsual(number = 1): Over {
  const exchange = createExchange();
  Object.assign(exchange, {
    id: `abc-${number}`,
    startedMs: 1000 + number,
    identity: { consumerIndex: 0, consumerName: 'team', keyHeaders: [] },
    model: 'gpt-4o',
    asked: { isStream: true, outputTokensMax: -1, answers: 1 },
    target: createTarget(),
    status: 200,
    upstreamStatus: 200,
    ended: { by: 'upstream', phase: 'done', reason: 'complete' },
    requestBytes: 1234,
    responseBytes: 70_000,
    readyMs: 1000.5 + number,
    sentMs: 1001.25 + number,
    headMs: 1500 + number,
    firstByteMs: 1500.125 + number,
    settled: {
      usage: {
        inputTokens: 100,
        outputTokens: 20,
        cachedInputTokens: 40,
        cacheWriteTokens: 3,
        reasoningTokens: 5,
        audioInputTokens: 0,
        audioOutputTokens: 300,
      },
      costNanoDollars: 9_007_199_254_740_991,
      isPriced: true,
      isEstimated: false,
    },
  });
  return { exchange, endedMs: 2000 + number };
}

/** Texts of all kinds, lone halves of characters among them. */
const text = fc.oneof(
  fc.string({ maxLength: 300 }),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 50 })
    .map((units) => String.fromCharCode(...units)),
  fc.constantFrom('', 'gpt-4o', 'a'.repeat(31), 'a'.repeat(32), 'a'.repeat(255), 'é'.repeat(2000)),
);
const count = fc.oneof(
  fc.nat(300),
  fc.nat({ max: 70_000 }),
  fc.maxSafeNat(),
  fc.constantFrom(127, 128, 255, 256, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32),
);
/** 0: it did not come. */
const moment = fc.oneof(fc.constant(0), fc.double({ min: 0.001, max: 1e9, noNaN: true }));

const usage: fc.Arbitrary<Usage> = fc.record({
  inputTokens: count,
  outputTokens: count,
  cachedInputTokens: count,
  cacheWriteTokens: count,
  reasoningTokens: count,
  audioInputTokens: count,
  audioOutputTokens: count,
});

export const arbitraryOver: fc.Arbitrary<Over> = fc
  .record({
    path: text.map((rest) => `/v1/${rest}`),
    method: fc.constantFrom('POST', 'GET', 'X-'.repeat(30)),
    dialect: fc.constantFrom('openai', 'anthropic'),
    address: fc.constantFrom('', '10.0.0.1', '2001:db8::1'),
    consumerName: fc.option(text),
    endedMs: fc.double({ min: 0, max: 1e10, noNaN: true }),
    fields: fc.record({
      startedMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
      user: fc.option(text),
      model: fc.option(text),
      asked: fc.option(
        fc.record({ isStream: fc.boolean(), outputTokensMax: fc.constant(-1), answers: count }),
      ),
      target: fc.option(
        fc
          .record({
            entryName: text,
            position: fc.nat(300),
            index: fc.nat(600),
            provider: text,
            model: fc.option(text),
          })
          .map(createTarget),
      ),
      status: fc.option(fc.integer({ min: 100, max: 599 })),
      upstreamStatus: fc.oneof(fc.constant(0), fc.integer({ min: 100, max: 599 })),
      attemptsMade: fc.nat(16),
      ended: fc.option(
        fc.record({
          by: fc.constantFrom('downstream', 'upstream', 'gateway'),
          phase: fc.constantFrom<Phase>('reading', 'streaming', 'done'),
          reason: fc.constantFrom('complete', 'aborted', 'upstream_cut'),
        }),
      ),
      settled: fc.option(
        fc.record({
          usage,
          costNanoDollars: count,
          isPriced: fc.boolean(),
          isEstimated: fc.boolean(),
        }),
      ),
      requestBytes: count,
      responseBytes: count,
      readyMs: moment,
      sentMs: moment,
      headMs: moment,
      firstByteMs: moment,
    }),
  })
  .map(({ path, method, dialect, address, consumerName, endedMs, fields }) => {
    const exchange = createExchange({
      path,
      method,
      dialect: dialect === 'openai' ? 'openai' : 'anthropic',
      callerAddress: address,
    });
    Object.assign(exchange, fields, {
      identity: consumerName === null ? null : { consumerIndex: 0, consumerName, keyHeaders: [] },
    });
    return { exchange, endedMs };
  });

/** What a record must say, worked out without any of the code that writes it. `started_ms` is left out. */
export function expectRecord({ exchange, endedMs }: Over): UsageRecord {
  const { target, settled, ended, startedMs, headMs, firstByteMs, sentMs, attemptsMade } = exchange;
  const since = (ms: number): UsageValue => (ms > 0 ? toUs(ms - startedMs) : null);
  const tokens = settled?.usage;
  return {
    id: exchange.id,
    consumer: cut(exchange.identity?.consumerName ?? null),
    user: cut(exchange.user),
    address: exchange.head.callerAddress || null,
    dialect: exchange.dialect,
    method: exchange.head.method,
    path: cut(exchange.head.path, 256),
    stream: exchange.asked?.isStream ?? null,
    model: cut(exchange.model),
    entry: cut(target?.entryName ?? null),
    provider: cut(target?.provider ?? null),
    target_model: target === null ? null : cut(target.model ?? exchange.model),
    target: target?.position ?? null,
    status: exchange.status,
    upstream_status: exchange.upstreamStatus || null,
    ended_by: ended?.by ?? 'gateway',
    ended_phase: ended?.phase ?? 'done',
    ended_reason: ended?.reason ?? 'unknown',
    attempts: attemptsMade || (sentMs > 0 ? 1 : 0),
    input_tokens: tokens?.inputTokens ?? null,
    cached_input_tokens: tokens?.cachedInputTokens ?? null,
    cache_write_tokens: tokens?.cacheWriteTokens ?? null,
    output_tokens: tokens?.outputTokens ?? null,
    reasoning_tokens: tokens?.reasoningTokens ?? null,
    audio_input_tokens: tokens?.audioInputTokens ?? null,
    audio_output_tokens: tokens?.audioOutputTokens ?? null,
    estimated: settled?.isEstimated ?? null,
    cost_nano_dollars: settled?.isPriced === true ? settled.costNanoDollars : null,
    request_bytes: exchange.requestBytes,
    response_bytes: exchange.responseBytes,
    ready_us: since(exchange.readyMs),
    sent_us: since(sentMs),
    head_us: since(headMs),
    first_byte_us: since(firstByteMs),
    duration_us: toUs(endedMs - startedMs),
    added_us: headMs > 0 ? toUs(exchange.addedMs) : null,
  };
}

function toUs(ms: number): number {
  return Math.max(0, Math.floor(ms * 1000 + 0.5));
}

/** To so many bytes of UTF-8, at a whole character; halves of characters become the sign for that. */
function cut(value: string | null, bytesMax = 1024): string | null {
  if (value === null) return null;
  let kept = '';
  let bytes = 0;
  for (const char of Buffer.from(value).toString()) {
    bytes += Buffer.byteLength(char);
    if (bytes > bytesMax) break;
    kept += char;
  }
  return kept;
}

/** `USAGE_FIELDS` without what depends on the time of day. */
export const TIMELESS_FIELDS = USAGE_FIELDS.filter((name) => name !== 'started_ms');

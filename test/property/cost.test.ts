import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { costNanoDollars, toTokenPrice } from '../../src/admit/cost.js';
import { createUsage } from '../helpers/price-config.js';

/** A price as somebody writes it: at most six decimals. */
const micros = fc.oneof(
  fc.nat({ max: 100_000_000 }),
  fc.nat({ max: 1000 }),
  fc.integer({ min: 0, max: 1_000_000_000_000 }),
);
const maybeMicros = fc.option(micros);
const tokens = fc.oneof(
  fc.nat({ max: 10 }),
  fc.nat({ max: 1_000_000 }),
  fc.nat({ max: 100_000_000 }),
);

function toDollars(count: number | null): number | null {
  return count === null
    ? null
    : Number(`${Math.floor(count / 1e6)}.${String(count % 1e6).padStart(6, '0')}`);
}

test('the cost is the exact fraction, rounded up to a nano-dollar', () => {
  fc.assert(
    fc.property(
      fc.tuple(micros, micros, maybeMicros, maybeMicros, maybeMicros, maybeMicros),
      fc.tuple(tokens, tokens, tokens, tokens, tokens, tokens),
      ([input, output, cached, written, audioIn, audioOut], [textIn, textOut, c, w, ai, ao]) => {
        fc.pre(textIn + c + w + ai <= 100_000_000 && textOut + ao <= 100_000_000);
        const price = toTokenPrice({
          input: toDollars(input) ?? 0,
          output: toDollars(output) ?? 0,
          cachedInput: toDollars(cached),
          cacheWrite: toDollars(written),
          audioInput: toDollars(audioIn),
          audioOutput: toDollars(audioOut),
        });
        const usage = createUsage({
          inputTokens: textIn + c + w + ai,
          outputTokens: textOut + ao,
          cachedInputTokens: c,
          cacheWriteTokens: w,
          audioInputTokens: ai,
          audioOutputTokens: ao,
        });
        const terms: [number, number][] = [
          [textIn, input],
          [textOut, output],
          [c, cached ?? input],
          [w, written ?? input],
          [ai, audioIn ?? input],
          [ao, audioOut ?? output],
        ];
        // Micro-dollars for a million tokens are pico-dollars for one.
        const pico = terms.reduce((sum, [count, rate]) => sum + BigInt(count) * BigInt(rate), 0n);
        const nano = (pico + 999n) / 1000n;
        const most = BigInt(Number.MAX_SAFE_INTEGER);
        assert.equal(BigInt(costNanoDollars(price, usage)), nano < most ? nano : most);
      },
    ),
    { numRuns: 3000 },
  );
});

test('more tokens never cost less', () => {
  fc.assert(
    fc.property(
      micros,
      micros,
      tokens,
      tokens,
      fc.nat({ max: 1000 }),
      (input, output, i, o, more) => {
        const price = toTokenPrice({
          input: toDollars(input) ?? 0,
          output: toDollars(output) ?? 0,
          cachedInput: null,
          cacheWrite: null,
          audioInput: null,
          audioOutput: null,
        });
        const less = costNanoDollars(price, createUsage({ inputTokens: i, outputTokens: o }));
        assert.ok(
          costNanoDollars(price, createUsage({ inputTokens: i + more, outputTokens: o + more })) >=
            less,
        );
      },
    ),
  );
});

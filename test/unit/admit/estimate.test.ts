/** Estimates before the call: safe from the first request, close after some, and not to be spoiled by a few. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Estimator, type TokenEstimate } from '../../../src/admit/estimate.js';
import { BOUNDS } from '../../../src/core/bounds.js';
import { createUsage } from '../../helpers/price-config.js';

function estimate(
  estimator: Estimator,
  { model = 'm', text = 0, attached = 0, max = -1, n = 1 },
): TokenEstimate {
  const into = { inputTokens: -1, outputTokens: -1 };
  estimator.estimate(model, text, attached, max, n, into);
  return into;
}

let nowMs = 0;

function learnOften(
  estimator: Estimator,
  times: number,
  { model = 'm', text = 0, attached = 0, n = 1, input = 0, output = 0, everyMs = 1000 },
): void {
  for (let i = 0; i < times; i += 1) {
    nowMs += everyMs;
    estimator.learn(
      model,
      text,
      attached,
      n,
      createUsage({ inputTokens: input, outputTokens: output }),
      nowMs,
    );
  }
}

test('before anything is learned a token is taken to have 3 bytes', () => {
  const { inputTokens } = estimate(new Estimator(), { text: 3000 });
  assert.ok(inputTokens >= 1000 && inputTokens <= 1010, String(inputTokens));
});

test('what the request allows as answer is reserved, for each choice', () => {
  const estimator = new Estimator();
  learnOften(estimator, 200, { text: 400, input: 100, output: 10 });
  assert.equal(estimate(estimator, { text: 400, max: 700 }).outputTokens, 700);
  assert.equal(estimate(estimator, { text: 400, max: 700, n: 3 }).outputTokens, 2100);
});

test('of a model that is well known a hundred a second are learned from, so that a burst is not all there is', () => {
  const estimator = new Estimator();
  learnOften(estimator, 200, { text: 400, input: 100, output: 10 });
  const before = estimate(estimator, { text: 400 });
  learnOften(estimator, 2000, { text: 400, input: 100, output: 1000, everyMs: 0.001 });
  assert.equal(estimate(estimator, { text: 400 }).outputTokens, before.outputTokens);
  learnOften(estimator, 2000, { text: 400, input: 100, output: 1000, everyMs: 10 });
  assert.ok(estimate(estimator, { text: 400 }).outputTokens >= 1000);
});

test('an answer that can have no text reserves none', () => {
  assert.equal(estimate(new Estimator(), { text: 400, max: 0 }).outputTokens, 0);
});

test('without a limit on the answer a typical one is reserved, as learned', () => {
  const estimator = new Estimator();
  learnOften(estimator, 800, { text: 400, input: 100, output: 60, n: 2 });
  const { outputTokens } = estimate(estimator, { text: 400, n: 2 });
  assert.ok(outputTokens >= 60 && outputTokens < 80, String(outputTokens));
});

test('the estimate comes close to what is always the same, and stays above it', () => {
  const estimator = new Estimator();
  learnOften(estimator, 1000, { text: 4000, input: 800 });
  const { inputTokens } = estimate(estimator, { text: 4000 });
  assert.ok(inputTokens >= 800 && inputTokens < 950, String(inputTokens));
});

test('models learn apart from one another', () => {
  const estimator = new Estimator();
  learnOften(estimator, 500, { model: 'dense', text: 1000, input: 900 });
  learnOften(estimator, 500, { model: 'sparse', text: 1000, input: 100 });
  assert.ok(estimate(estimator, { model: 'dense', text: 1000 }).inputTokens > 900);
  assert.ok(estimate(estimator, { model: 'sparse', text: 1000 }).inputTokens < 150);
});

test('one absurd request among many moves the estimate by less than a fifth', () => {
  for (const input of [1, 100_000_000]) {
    const estimator = new Estimator();
    for (let i = 0; i < 300; i += 1) {
      learnOften(estimator, 1, { text: 4000, input: 900 + (i % 7) * 30 });
    }
    const before = estimate(estimator, { text: 4000 }).inputTokens;
    learnOften(estimator, 1, { text: 4000, input });
    const after = estimate(estimator, { text: 4000 }).inputTokens;
    assert.ok(Math.abs(after - before) < before / 5, `${before} → ${after}`);
  }
});

test('a change that lasts is followed', () => {
  const estimator = new Estimator();
  learnOften(estimator, 500, { text: 4000, input: 800 });
  learnOften(estimator, 500, { text: 4000, input: 3000 });
  const { inputTokens } = estimate(estimator, { text: 4000 });
  assert.ok(inputTokens >= 3000 && inputTokens < 3600, String(inputTokens));
});

test('pictures neither spoil the estimates of texts nor are taken for text', () => {
  const estimator = new Estimator();
  for (let i = 0; i < 600; i += 1) {
    learnOften(estimator, 1, { text: 4000, input: 1000 });
    learnOften(estimator, 1, { text: 1000, attached: 400_000, input: 250 + 1100 });
  }
  const text = estimate(estimator, { text: 4000 }).inputTokens;
  assert.ok(text >= 1000 && text < 1200, `text: ${text}`);
  const picture = estimate(estimator, { text: 1000, attached: 400_000 }).inputTokens;
  assert.ok(picture >= 1350 && picture < 2000, `picture: ${picture}`);
});

test('an unlearned picture of a megabyte does not reserve as a megabyte of text does', () => {
  const { inputTokens } = estimate(new Estimator(), { text: 500, attached: 1024 * 1024 });
  assert.ok(inputTokens > 1000 && inputTokens < 40_000, String(inputTokens));
});

test('a usage without a prompt, or without a body, teaches nothing', () => {
  const estimator = new Estimator();
  learnOften(estimator, 50, { text: 4000, input: 0, output: 10 });
  learnOften(estimator, 50, { text: 0, input: 10, output: 10 });
  learnOften(estimator, 50, { text: 4000, input: Number.NaN, output: 10 });
  assert.equal(estimator.modelCount, 0);
});

test('whatever comes in, whole numbers within the bound come out', () => {
  const odd = [-1, 0, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 1e300, -1e300];
  const estimator = new Estimator();
  for (const a of odd) {
    for (const b of odd) {
      learnOften(estimator, 1, { text: a, attached: b, n: a, input: b, output: a });
      learnOften(estimator, 1, { text: 1, attached: b, n: a, input: a, output: b });
      const { inputTokens, outputTokens } = estimate(estimator, {
        text: a,
        attached: b,
        max: a,
        n: b,
      });
      for (const tokens of [inputTokens, outputTokens]) {
        assert.ok(
          Number.isInteger(tokens) && tokens >= 0 && tokens <= BOUNDS.tokensMax,
          String(tokens),
        );
      }
    }
  }
  learnOften(estimator, 1000, { text: 4000, input: 1000 });
  assert.ok(estimate(estimator, { text: 4000 }).inputTokens < 1500, 'and it recovers');
});

test('the models it knows are bounded, and the ones in use stay', () => {
  const estimator = new Estimator();
  const used = ['used-a', 'used-b', 'used-c'];
  for (const model of used) {
    learnOften(estimator, 300, { model, text: 1000, input: 900 });
  }
  for (let i = 0; i < 3 * BOUNDS.estimatedModelsMax; i += 1) {
    learnOften(estimator, 1, { model: `once-${i}`, text: 1000, input: 100 });
    for (const model of used) {
      learnOften(estimator, 1, { model, text: 1000, input: 900 });
      assert.ok(estimate(estimator, { model, text: 1000 }).inputTokens > 900, `${model}, ${i}`);
    }
  }
  assert.equal(estimator.modelCount, BOUNDS.estimatedModelsMax);
});

test('a model that was thrown out right after it was used is estimated as an unknown one', () => {
  const estimator = new Estimator();
  for (let i = 0; i < BOUNDS.estimatedModelsMax; i += 1) {
    learnOften(estimator, 1, { model: `once-${i}`, text: 1000, input: 900 });
  }
  const unknown = estimate(estimator, { model: 'none', text: 1000 }).inputTokens;
  assert.notEqual(estimate(estimator, { model: 'once-0', text: 1000 }).inputTokens, unknown);
  learnOften(estimator, 1, { model: 'one-more', text: 1000, input: 900 });
  assert.equal(estimate(estimator, { model: 'once-0', text: 1000 }).inputTokens, unknown);
});

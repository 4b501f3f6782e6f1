/**
 * Estimates on prompts as long as an hour of Azure's chat traffic, cut from real texts and counted by the tokeniser:
 * prose, source text and recorded JSON in turns, which is worse than one application would send.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { Estimator } from '../../../src/admit/estimate.js';
import { FIXTURES, hasFixtures, REPOSITORY, skipUnless } from '../../helpers/need.js';
import { createUsage } from '../../helpers/price-config.js';

const REQUESTS = 1500;
const WARM_UP = 30;

function readTexts(folder: string, ending: string): string {
  return readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n');
}

test('95 of 100 prompts have no more tokens than estimated, and the reserve is not twice the truth', {
  skip: skipUnless(hasFixtures, 'the fixtures'),
}, (t) => {
  const texts = [
    readTexts(join(REPOSITORY, 'docs'), '.md'),
    readTexts(join(REPOSITORY, 'src/inspect'), '.ts'),
    readTexts(join(FIXTURES, 'provider-streams/openai'), '.json'),
  ];
  const rows = readFileSync(join(FIXTURES, 'traces/azure-llm-inference-2023-conv.csv'), 'utf8')
    .split('\n')
    .slice(1, REQUESTS + 1)
    .map((line) => line.split(',').slice(1).map(Number) as [number, number]);
  const estimator = new Estimator();
  const into = { inputTokens: 0, outputTokens: 0 };
  const at = texts.map(() => 0);
  let covered = 0;
  let answersCovered = 0;
  let reserved = 0;
  let used = 0;
  rows.forEach(([contextTokens, outputTokens], i) => {
    const which = i % texts.length;
    const text = texts[which] as string;
    const length = Math.min(contextTokens * 4, text.length);
    const start = (at[which] as number) + length > text.length ? 0 : (at[which] as number);
    at[which] = start + length;
    const content = text.slice(start, start + length);
    const body = JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content }] });
    const inputTokens = countTokens(content) + 7;
    const bytes = Buffer.byteLength(body);
    estimator.estimate('gpt-4o', bytes, 0, -1, 1, into);
    if (i >= WARM_UP) {
      covered += into.inputTokens >= inputTokens ? 1 : 0;
      answersCovered += into.outputTokens >= outputTokens ? 1 : 0;
      reserved += into.inputTokens;
      used += inputTokens;
    }
    estimator.learn('gpt-4o', bytes, 0, 1, createUsage({ inputTokens, outputTokens }), i * 1000);
  });
  const judged = rows.length - WARM_UP;
  t.diagnostic(
    `prompts covered ${covered / judged}, answers covered ${answersCovered / judged}, reserved/used ${reserved / used}`,
  );
  assert.ok(covered / judged >= 0.95, `${covered} of ${judged}`);
  assert.ok(answersCovered / judged >= 0.9, `${answersCovered} answers of ${judged}`);
  assert.ok(reserved / used < 2, `${reserved / used}`);
});

/** P-18: the chaos run over failing targets in its short form; its long form is `npm run endure -- --only failing-targets`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failingTargets } from './scenarios/failing-targets.js';

test('P-18 no-answer-is-lost-doubled-or-wrong-while-targets-fail', {
  timeout: 60_000,
}, async (t) => {
  const seed = 20_261_123;
  const { figures } = await failingTargets.run({
    seconds: 7,
    seed,
    say: (line) => t.diagnostic(line),
  });
  for (const { what, measured } of figures) t.diagnostic(`${what}: ${measured}`);
  const beyond = figures.filter(({ holds }) => holds === false);
  assert.deepEqual(beyond, []);
});

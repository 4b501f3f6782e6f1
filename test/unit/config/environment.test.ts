import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { escapeVariables, hasVariables, interpolate } from '../../../src/config/environment.js';

test('variables, defaults and the escape', () => {
  const env = { HOST: 'h', EMPTY: '', DOLLAR: '${HOST}' };
  const cases: Record<string, string> = {
    'http://${HOST}/v1': 'http://h/v1',
    '${HOST}${HOST}': 'hh',
    '${HOST:-d}': 'h',
    '${NONE:-d}': 'd',
    '${NONE:-}': '',
    '${EMPTY:-d}': 'd',
    '${NONE:-https://a:1/b}': 'https://a:1/b',
    '${NONE:-a\nb}': 'a\nb',
    '$${HOST}': '${HOST}',
    // What a variable holds is not read again.
    '${DOLLAR}': '${HOST}',
    '$HOST $ {HOST} }': '$HOST $ {HOST} }',
  };
  for (const [text, expected] of Object.entries(cases)) {
    assert.deepEqual(
      { value: interpolate(text, env).value, failures: interpolate(text, env).failures },
      { value: expected, failures: [] },
      text,
    );
  }
});

test('a variable that is not set or empty is a failure at its place', () => {
  assert.deepEqual(interpolate('a ${NONE} ${EMPTY}', { EMPTY: '' }).failures, [
    {
      offset: 2,
      reason: 'the environment variable NONE is not set; set it, or write ${NONE:-default}',
    },
    {
      offset: 10,
      reason: 'the environment variable EMPTY is empty; set it, or write ${EMPTY:-default}',
    },
  ]);
});

test('what every object has is no variable', () => {
  for (const name of ['constructor', '__proto__', 'toString']) {
    assert.equal(interpolate(`\${${name}}`, {}).failures.length, 1, name);
  }
});

test('a malformed reference is a failure', () => {
  for (const text of [
    '${',
    '${}',
    '${A',
    '${1A}',
    '${A-b}',
    '${A:b}',
    '${A B}',
    '${A:-${B}}',
    '${A:-b',
  ]) {
    const { failures } = interpolate(text, { A: 'a', B: 'b' });
    assert.equal(failures[0]?.reason.startsWith('not a variable'), true, text);
  }
});

test('an escaped text interpolates to itself, whatever it is', () => {
  const tricky = fc.string({ unit: fc.constantFrom('$', '{', '}', 'A', ':', '-', 'é') });
  fc.assert(
    fc.property(fc.oneof(fc.string(), tricky), (text) => {
      const { value, names, failures } = interpolate(escapeVariables(text), { A: 'a' });
      assert.deepEqual({ value, names, failures }, { value: text, names: [], failures: [] });
    }),
    { numRuns: 2000 },
  );
});

test('the value stands exactly where the variable stood, and no failure shows it', () => {
  const plain = fc.string().filter((text) => !hasVariables(text) && !text.endsWith('$'));
  const secret = fc.string({ minLength: 1 });
  fc.assert(
    fc.property(plain, secret, plain, (before, value, after) => {
      const result = interpolate(`${before}\${SECRET}${after}`, { SECRET: value });
      assert.equal(result.value, before + value + after);
      assert.deepEqual(result.names, ['SECRET']);
    }),
  );
  const failed = interpolate('${SECRET} ${NONE}', { SECRET: 'hunter2' }).failures;
  assert.doesNotMatch(JSON.stringify(failed), /hunter2/);
});

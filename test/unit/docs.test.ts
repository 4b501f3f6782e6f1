/** The pages printed from tables in src are those that are committed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  findStalePages,
  renderBounds,
  renderErrors,
  renderFailureClasses,
} from '../../docs/generate.js';
import { findPromises, judgePromises, PROMISES, readTestTexts } from '../../docs/promises.js';
import { BOUND_TABLE } from '../../src/core/bounds.js';
import { ERRORS } from '../../src/core/errors.js';
import { FAILURE_CLASSES } from '../../src/upstream/failure-classes.js';

test('the printed pages of docs/ are up to date (`npm run docs` writes them)', () => {
  assert.deepEqual(findStalePages(), []);
});

test('every row of the tables is on its page', () => {
  const errors = renderErrors();
  for (const code of Object.keys(ERRORS)) assert.ok(errors.includes(`| \`${code}\` |`), code);
  const bounds = renderBounds();
  for (const name of Object.keys(BOUND_TABLE)) assert.ok(bounds.includes(`| \`${name}\` |`), name);
  const classes = renderFailureClasses();
  for (const name of Object.keys(FAILURE_CLASSES)) {
    // The second cell tells where the class comes from.
    assert.match(classes, new RegExp(`^\\| \`${name}\` \\| \\S`, 'm'));
  }
});

test('every promise is held by a test, and every id in a title is a promise', () => {
  assert.deepEqual(judgePromises(findPromises(readTestTexts())), []);
});

test('promises are found by the ids in titles, however these are written', () => {
  const text = `
    it('P-01 one-fault', () => {});
    it(\`P-01 fault-of-\${name} (\${kind})\`, () => {});
    test(
      \`\${engine}: P-02 it\\\`s said so\`,
    );
    it("P-03 caller's", () => {});
    const title = name === '' ? 'x' : \`P-04 \${name}\`;
    // P-05 stands in a comment only, and so does it('P-99') not.
    assert.equal('P-06 in a text', 1);
  `;
  const found = findPromises(new Map([['test/a.test.ts', text.replace("it('P-99')", '')]]));
  const names = (id: string) => [
    ...(found.find((held) => held.id === id)?.tests.get('test/a.test.ts') ?? []),
  ];
  assert.deepEqual(names('P-01'), ['one-fault', 'fault-of-… (…)']);
  assert.deepEqual(names('P-02'), ['it`s said so']);
  assert.deepEqual(names('P-03'), ["caller's"]);
  assert.deepEqual(names('P-04'), ['…']);
  assert.deepEqual(names('P-05'), []);
  assert.deepEqual(names('P-06'), []);
});

test('a promise without a test, an id that is none and a test of an awaited one are complained of', () => {
  const whole = Object.keys(PROMISES).map((id) => `it('${id} a', f);`);
  const judge = (lines: readonly string[]) =>
    judgePromises(findPromises(new Map([['test/a.test.ts', lines.join('\n')]])));
  const awaited = judge(whole);
  assert.ok(
    awaited.every((complaint) => /AWAITED$/.test(complaint)),
    awaited.join(),
  );
  const lacking = judge(whole.filter((line) => !line.includes('P-14')));
  assert.ok(lacking.some((complaint) => complaint.startsWith('P-14 is held by no test')));
  assert.ok(judge(["it('P-99 a', f);"]).some((complaint) => complaint.startsWith('P-99')));
});

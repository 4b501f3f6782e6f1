/** Mistakes of a file as a whole: what is missing, YAML, variables, and what can’t be read. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { loadConfig } from '../../../src/config/load.js';
import { BASE, DURATION, messageOf, PROVIDERS, refusalsOf } from '../../helpers/config-refusals.js';

test('required sections', () => {
  assert.deepEqual(refusalsOf('workers: 1\n'), [
    'w.yaml:1:1: providers: missing; expected a mapping',
    'w.yaml:1:1: models: missing; expected a mapping',
  ]);
  assert.deepEqual(refusalsOf('providers: {}\nmodels: {}\n'), [
    'w.yaml:1:12: providers: expected at least one entry; got a mapping',
    'w.yaml:2:9: models: expected at least one entry; got a mapping',
  ]);
});

test('all problems are told at once, in the order of the file', () => {
  const text = `wrkers: 1\n${PROVIDERS}models:\n  a: { provider: x }\n  b:\n    provider: \${NONE}\n  gpt-4.1: 3\n`;
  assert.deepEqual(refusalsOf(text), [
    'w.yaml:1:1: wrkers: unknown key. Did you mean "workers"?',
    'w.yaml:5:18: models.a.provider: expected a configured provider: openai; got "x"',
    'w.yaml:7:15: the environment variable NONE is not set; set it, or write ${NONE:-default}',
    'w.yaml:8:12: models["gpt-4.1"]: expected a mapping; got a number',
  ]);
});

test('a file that holds no mapping', () => {
  const empty = 'the file is empty; expected at least providers and models';
  for (const text of ['', '\n\n', '# only a comment\n', '---\n']) {
    const [first = '', ...rest] = refusalsOf(text);
    assert.deepEqual(
      [first.replace(/:\d+:\d+:/, ''), rest],
      [`w.yaml ${empty}`, []],
      JSON.stringify(text),
    );
  }
  assert.deepEqual(refusalsOf('- a\n'), ['w.yaml:1:1: expected a mapping; got a list']);
  assert.deepEqual(refusalsOf('\nhello\n'), ['w.yaml:2:1: expected a mapping; got a text']);
});

test('faults of YAML', () => {
  const cases: Record<string, string> = {
    'a: [1, 2\nb: 3\n':
      '2:1: YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
    '\ta: 1\n': '1:1: YAML: Tabs are not allowed as indentation',
    'a: *nowhere\n': '1:4: the alias *nowhere refers to no anchor above it',
    'a: !thing 3\n': '1:4: YAML: Unresolved tag: !thing',
    'a: 1\n---\nb: 2\n': '2:1: a second YAML document begins here; expected one',
    'a: "x"secret\n': '1:7: YAML: Unexpected scalar at node end',
    'a: |secret\n  b\n': '1:5: YAML: Block scalar header includes extra characters',
    'a: 1\n<<: 3\n': '2:1: expected an alias of a mapping, or a list of such, after <<',
    '? { a: 1 }\n: 2\n': '1:3: YAML: With stringKeys, all keys must be strings',
  };
  for (const [text, expected] of Object.entries(cases)) {
    assert.deepEqual(refusalsOf(text), [`w.yaml:${expected}`], JSON.stringify(text));
  }
});

test('a variable without quotes inside braces gets a hint', () => {
  const found = refusalsOf(`${BASE}log: { level: \${LEVEL} }\n`, { LEVEL: 'info' });
  assert.match(
    found[0] ?? '',
    /^w\.yaml:5:16: YAML: .*Inside \{ \} or \[ \] a \$\{NAME\} needs quotes/,
  );
});

test('aliases of aliases are not multiplied without end', () => {
  const levels = Array.from(
    { length: 9 },
    (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i},`.repeat(9)}]`,
  );
  assert.deepEqual(refusalsOf(`l0: &l0 [x]\n${levels.join('\n')}\n`), [
    'w.yaml:1:1: YAML: Excessive alias count indicates a resource exhaustion attack',
  ]);
});

test('a text that nests without end is refused before anything calls itself for each level', () => {
  const deep = [
    '['.repeat(100_000),
    '{a: '.repeat(65),
    `${'- '.repeat(2000)}x`,
    Array.from({ length: 500 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
    '? '.repeat(2000),
  ];
  for (const text of deep) {
    assert.deepEqual(refusalsOf(`${text}\n`), ['w.yaml:1:1: YAML: nested too deeply']);
  }
  const shallow = refusalsOf(`${'['.repeat(30)}${']'.repeat(30)}\n`);
  assert.deepEqual(shallow, ['w.yaml:1:1: expected a mapping; got a list']);
});

test('a mistake behind an anchor is told once, where it stands', () => {
  const text = `providers:
  a: { dialect: openai, base_url: "http://a", timeouts: &t { connect: 5 } }
  b: { dialect: openai, base_url: "http://b", timeouts: *t }
  c: { dialect: openai, base_url: "http://c", timeouts: { <<: *t, idle: 1s } }
models: { m: { provider: a } }
`;
  assert.deepEqual(refusalsOf(text), [
    `w.yaml:2:71: providers.a.timeouts.connect: ${DURATION}; got 5`,
  ]);
});

test('a variable that is not set is told at its line, also in a folded text', () => {
  const text = `${BASE}state_dir: >-\n  \${FIRST:-x}\n  \${SECOND}\n`;
  assert.deepEqual(refusalsOf(text), [
    'w.yaml:7:3: the environment variable SECOND is not set; set it, or write ${SECOND:-default}',
  ]);
});

test('the value of a variable is never printed', () => {
  const text = `
listen: \${V}
workers: \${V}
accept: \${V}
log: { level: "\${V}", access: "\${V}" }
providers:
  \${V}: {}
  p: { dialect: "\${V}", base_url: "http://\${V}", api_key: "\${V} ", timeouts: "\${V}", connections: { max: "\${V}" } }
models:
  m: { provider: "\${V}", fallbacks: ["\${V}"] }
  n: "\${V}"
tiers: { t: { limits: [{ requests: "\${V}", per: "\${V}", burst: "\${V}" }] } }
consumers: { c: { keys: ["\${V} "], tier: "\${V}", limits: "\${V}" } }
`;
  for (const value of ['hunter2@example', 'opnai', '7.5', 'x y']) {
    const found = refusalsOf(text, { V: value });
    assert.equal(found.length >= 15, true, found.join('\n'));
    assert.equal(found.join('\n').includes(value), false, found.join('\n'));
    // A hint would tell nearly as much.
    assert.doesNotMatch(found.join('\n'), /Did you mean/);
  }
  assert.equal(
    refusalsOf(text, { V: 'opnai' })[2],
    'w.yaml:4:9: accept: expected one of auto, acceptor, reuseport; got what ${V} holds',
  );
});

test('an error of reading names the file and the reason', () => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-config-'));
  try {
    const file = join(directory, 'w.yaml');
    const load = () => messageOf(() => loadConfig(file, {}));
    assert.equal(load(), `${file}: no such file; name one with --config`);
    assert.equal(
      messageOf(() => loadConfig(directory, {})),
      `${directory}: is a directory; expected a file`,
    );
    writeFileSync(file, Buffer.from([0x61, 0x3a, 0x20, 0xff]));
    assert.equal(load(), `${file}: the file is not valid UTF-8`);
    writeFileSync(file, '');
    assert.equal(load(), `${file}:1:1: the file is empty; expected at least providers and models`);
    writeFileSync(file, BASE);
    assert.equal(load(), '(loaded)');
  } finally {
    rmSync(directory, { recursive: true });
  }
});

/** The rules of test/helpers/tidy-rules.ts hold for every file, and they do find what they forbid. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY } from '../helpers/need.js';
import { EDGES, findViolations } from '../helpers/tidy-rules.js';

function readAll(): Map<string, string> {
  const files = new Map<string, string>();
  for (const folder of ['src', 'test', 'docs']) {
    for (const name of readdirSync(join(REPOSITORY, folder), { recursive: true }).map(String)) {
      if (!name.endsWith('.ts')) continue;
      const path = `${folder}/${name}`;
      files.set(path, readFileSync(join(REPOSITORY, path), 'utf8'));
    }
  }
  return files;
}

/** The rules that one made-up file breaks. */
function judge(path: string, text: string): string[] {
  return findViolations(new Map([[path, text]])).map(({ rule }) => rule);
}

test('every file keeps the rules', () => {
  const files = readAll();
  assert.ok(files.has('src/core/errors.ts'), 'the sources were found');
  const found = findViolations(files).map(({ path, line, rule }) => `${path}:${line}: ${rule}`);
  assert.deepEqual(found, []);
});

test('every folder of src is in the table of imports', () => {
  const folders = readdirSync(join(REPOSITORY, 'src'), { withFileTypes: true });
  for (const entry of folders) {
    const part = entry.name.replace(/\.ts$/, '');
    assert.ok(part in EDGES, `${part} is missing in EDGES of tidy-rules.ts`);
  }
  for (const { uses, types = [] } of Object.values(EDGES)) {
    for (const part of [...uses, ...types]) assert.ok(part in EDGES, part);
  }
  assert.ok(existsSync(join(REPOSITORY, 'src/core')));
});

test('core imports nothing from the folders above it, in no part’s way a circle', () => {
  assert.deepEqual(EDGES['core']?.uses, []);
  const visit = (part: string, trail: readonly string[]): void => {
    assert.ok(!trail.includes(part), `a circle: ${[...trail, part].join(' → ')}`);
    for (const next of EDGES[part]?.uses ?? []) visit(next, [...trail, part]);
  };
  for (const part of Object.keys(EDGES)) visit(part, []);
});

const FORBIDDEN: readonly (readonly [path: string, text: string, rule: RegExp])[] = [
  ['src/relay/a.ts', "import { route } from '../route/models.js';", /relay must not import route/],
  [
    'src/relay/a.ts',
    "import {\n  a,\n  b,\n} from '../observe/log.js';",
    /must not import observe/,
  ],
  ['src/relay/a.ts', "const m = await import('../observe/log.js');", /must not import observe/],
  ['src/inspect/a.ts', "import type { Relay } from '../relay/relay.js';", /must not import relay/],
  ['src/relay/a.ts', "import { D } from '../accept/downstream.js';", /accept but by `import type`/],
  ['src/core/a.ts', "export * from '../exchange.js';", /core must not import exchange/],
  ['src/core/a.ts', "import '../main.js';", /core must not import main/],
  ['src/nowhere/a.ts', "import { a } from '../core/a.js';", /not in the table/],
  ['src/core/a.ts', "import { a } from '../../test/a.js';", /outside of it/],
  ['src/relay/a.ts', "import uws from 'uWebSockets.js';", /belongs to accept/],
  ['src/relay/a.ts', "const uws = require('uWebSockets.js');", /belongs to accept/],
  ['src/relay/a.ts', "import { Client } from 'undici';", /belongs to upstream/],
  ['src/relay/a.ts', "import net from 'net';", /node:net belongs to/],
  ['src/core/a.ts', 'const a: any = 1;', /no `any`/],
  ['src/core/a.ts', 'const a = b as any;', /no `any`/],
  ['src/core/a.ts', 'const a = new Map<string, any>();', /no `any`/],
  ['test/unit/a.test.ts', 'function f(a: string | any[]) {}', /no `any`/],
  ['src/core/a.ts', '// @ts-ignore because\nf();', /@ts-ignore/],
  ['src/core/a.ts', 'f(); // TODO: later', /notes to self/],
  ['src/core/a.ts', '/* FIXME */', /notes to self/],
  ['src/relay/a.ts', 'const now = Date.now();', /time is read/],
  ['src/relay/a.ts', 'const text = `at $' + '{performance.now()} ms`;', /time is read/],
  ['src/relay/a.ts', 'const now = new Date();', /time is read/],
  ['src/core/utils.ts', '', /says nothing/],
  ['src/helpers/names.ts', '', /says nothing/],
  ['src/core/a.ts', 'f();\n'.repeat(401), /401 lines/],
  ['test/unit/a.test.ts', "test.only('a', () => {});", /shuts out/],
  ['test/unit/a.test.ts', "test.skip('a', () => {});", /skipUnless/],
  ['test/unit/a.test.ts', "test('a', { skip: true }, () => {});", /skipUnless/],
];

test('the rules find what they forbid', () => {
  for (const [path, text, rule] of FORBIDDEN) {
    const found = judge(path, text);
    assert.ok(found.length === 1 && rule.test(found[0] ?? ''), `${path}: ${text}: ${found}`);
  }
});

const ALLOWED: readonly (readonly [path: string, text: string])[] = [
  ['src/relay/a.ts', "import type { D } from '../accept/downstream.js';"],
  ['src/relay/a.ts', "import { nowMs } from '../core/clock.js';\nimport { b } from './b.js';"],
  [
    'src/relay/a.ts',
    "// import { a } from '../observe/log.js'\nconst a = \"from '../observe/log.js'\";",
  ],
  ['src/core/a.ts', "// any way, as any reader: any of them\nconst a = 'x as any';"],
  ['src/core/a.ts', "const any = 1;\nconst many: string = 'any';\nconst b = { any: 2 };"],
  [
    'src/core/a.ts',
    "const quote = /['\"`]/;\nconst half = total / 2; // Date.now() 'is' elsewhere",
  ],
  ['src/core/clock.ts', 'export const now = () => Date.now();'],
  ['src/observe/a.ts', 'const text = new Date(atMs).toISOString();'],
  ['src/core/a.ts', 'f();\n'.repeat(400)],
  ['test/helpers/a.ts', ''],
  ['test/unit/a.test.ts', "test('a', { skip: skipUnless(has, 'nginx') }, () => Date.now());"],
];

test('the rules let pass what is right', () => {
  for (const [path, text] of ALLOWED) assert.deepEqual(judge(path, text), [], text);
});

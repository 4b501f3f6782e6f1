/** What docs/operations.md tells an operator to type, watch and set is there: a page that is wrong at night is worse than none. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY } from '../helpers/need.js';

const PAGE = readFileSync(join(REPOSITORY, 'docs/operations.md'), 'utf8');

function readSources(folder: string): string {
  return readdirSync(join(REPOSITORY, folder))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(REPOSITORY, folder, name), 'utf8'))
    .join('\n');
}

/** All that the pattern's first group finds on the page, each once. */
function named(pattern: RegExp): string[] {
  return [...new Set(Array.from(PAGE.matchAll(pattern), ([, name]) => name ?? ''))];
}

/** What the sources do not have as a whole literal; a part of a longer name is another name. */
function missing(names: readonly string[], sources: string): string[] {
  return names.filter((name) => !sources.includes(`'${name}'`));
}

test('every metric that the page names is exported', () => {
  const names = named(/\b(weir_[a-z_]+)/g);
  assert.ok(names.length > 10, 'metrics were found on the page');
  assert.deepEqual(missing(names, readSources('src/observe')), []);
});

test('every path of the admin port that the page names is answered', () => {
  const names = named(/(\/(?:api(?:\/[a-z]+)+|healthz|readyz|metrics))\b/g);
  assert.ok(names.length > 5, 'paths were found on the page');
  assert.deepEqual(missing(names, readSources('src/primary')), []);
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly [keyword: string]: unknown;
}

/** The names of all fields, wherever they stand. */
function collectFields(schema: unknown, found: Set<string>): Set<string> {
  if (typeof schema !== 'object' || schema === null) return found;
  for (const name of Object.keys((schema as Schema).properties ?? {})) found.add(name);
  for (const part of Object.values(schema)) collectFields(part, found);
  return found;
}

test('every field that the page names as `field:` is one of the configuration', () => {
  const schema: unknown = JSON.parse(readFileSync(join(REPOSITORY, 'config/schema.json'), 'utf8'));
  const fields = collectFields(schema, new Set());
  const names = named(/`([a-z_.]+):[^`\n]*`/g);
  assert.ok(names.length > 10, 'fields were found on the page');
  assert.deepEqual(
    names.filter((name) => !name.split('.').every((part) => fields.has(part))),
    [],
  );
});

test('every page that the page points to is there', () => {
  const targets = named(/\]\(([^)#:]+)(?:#[^)]*)?\)/g);
  const folder = dirname(join(REPOSITORY, 'docs/operations.md'));
  assert.deepEqual(
    targets.filter((target) => !existsSync(join(folder, target))),
    [],
  );
});

test('the systemd unit on the page is the one in config/examples, without its comments', () => {
  const unit = readFileSync(join(REPOSITORY, 'config/examples/weir.service'), 'utf8');
  const bare = unit.split('\n').filter((line) => !line.startsWith('#'));
  const shown = /```ini\n([\s\S]*?)```/.exec(PAGE)?.[1] ?? '';
  const settings = (lines: readonly string[]) => lines.filter((line) => line !== '');
  assert.deepEqual(settings(shown.split('\n')), settings(bare));
});

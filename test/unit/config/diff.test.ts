import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diffConfigs, formatChange, refuseChanges } from '../../../src/config/diff.js';
import { parseConfig } from '../../../src/config/load.js';
import { previewReload } from '../../../src/config/reload-preview.js';

const BASE = `
workers: 2
providers:
  p: { dialect: openai, base_url: https://p.example/v1, api_key: sk-first-secret-key }
  q: { dialect: openai, base_url: https://q.example/v1, proxy_url: 'http://user:pass-word@proxy:3128' }
models:
  m: { targets: [{ provider: p, weight: 3 }, { provider: q }] }
  n: { provider: q, timeouts: { idle: 5s } }
consumers:
  a: { keys: [wk-a], limits: [{ requests: 5, per: 1m }, { tokens: 100, per: 1h }] }
  b: { keys: [wk-b], limits: [{ concurrency: 3 }] }
`;

/** What changes when `from` is replaced by `to`, one line each. */
function change(...edits: readonly (readonly [from: string, to: string])[]): string[] {
  const text = edits.reduce((all, [from, to]) => {
    assert.ok(all.includes(from), from);
    return all.replace(from, to);
  }, BASE);
  const parse = (yaml: string) => parseConfig(yaml, 'w.yaml', {});
  return diffConfigs(parse(BASE), parse(text)).map(formatChange);
}

test('a change is told in the words of the file, defaults included', () => {
  assert.deepEqual(change(['workers: 2', 'workers: 2 # as ever']), []);
  assert.deepEqual(change(['weight: 3', 'weight: 4']), ['models.m.targets[0].weight: 3 → 4']);
  assert.deepEqual(change([', timeouts: { idle: 5s }', '']), ['models.n.timeouts: removed']);
  assert.deepEqual(change(['  n: { provider: q', '  "n.x": { provider: q']), [
    'models.n: removed',
    'models["n.x"]: added',
  ]);
  assert.deepEqual(change(['workers: 2', 'drain_timeout: 30s\nworkers: 2']), [
    'drain_timeout: 1m → 30s',
  ]);
  assert.deepEqual(change(['requests: 5', 'requests: 6']), [
    'consumers.a.limits[0].requests: 5 → 6',
    'consumers.a.limits[0].burst: 5 → 6',
  ]);
});

test('a secret that changes is told to have changed, and nothing of it', () => {
  const changes = change(
    ['sk-first-secret-key', 'sk-other-secret-key'],
    ['pass-word', 'pass-other'],
    ['[wk-a]', '[wk-a, wk-c]'],
  );
  assert.deepEqual(changes, [
    'providers.p.api_key: changed (not shown)',
    'providers.q.proxy_url: changed (not shown)',
    'consumers.a.keys: changed (not shown)',
  ]);
  assert.deepEqual(change([', api_key: sk-first-secret-key', '']), [
    'providers.p.api_key: removed',
  ]);
});

test('what a reload can’t change is refused with what can', () => {
  const refusalsOf = (from: string, to: string) => {
    const parse = (yaml: string) => parseConfig(yaml, 'w.yaml', {});
    return refuseChanges(diffConfigs(parse(BASE), parse(BASE.replace(from, to))));
  };
  assert.deepEqual(refusalsOf('workers: 2', 'workers: 3'), [
    'workers: 2 → 3: a reload can’t change this; an upgrade (SIGUSR2) or a restart can',
  ]);
  for (const line of [
    'listen: 1.2.3.4:80',
    'admin: 127.0.0.9:81',
    'accept: reuseport',
    'state_dir: s',
  ]) {
    assert.equal(refusalsOf('workers: 2', `workers: 2\n${line}`).length, 1, line);
  }
  const tls = 'listen: { port: 8080, tls: { cert: c, key: k } }';
  assert.equal(refusalsOf('workers: 2', `workers: 2\n${tls}`).length, 1);
  assert.deepEqual(refusalsOf('workers: 2', 'workers: 2\nwatch: on'), []);
});

test('a preview says what becomes of buckets', () => {
  const parse = (yaml: string) => parseConfig(yaml, 'w.yaml', {});
  const next = BASE.replace('requests: 5', 'requests: 6')
    .replace('concurrency: 3', 'concurrency: 4')
    .replace('{ tokens: 100, per: 1h }', '{ tokens: 100, per: 2h }');
  const { text, refusals } = previewReload(parse(BASE), parse(next));
  assert.deepEqual(refusals, []);
  assert.match(text, /^~ consumers\.a\.limits\[0\]\.requests: 5 → 6$/m);
  assert.match(text, /1 keep their level, 1 take over what was spent, 1 start full, 1 are gone\n$/);
  assert.equal(previewReload(parse(BASE), parse(BASE)).text, 'nothing would change\n');
});

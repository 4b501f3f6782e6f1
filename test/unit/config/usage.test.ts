import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diffConfigs, refuseChanges } from '../../../src/config/diff.js';
import { OperatorError } from '../../../src/core/errors.js';
import { MINIMAL, parse } from '../../helpers/config-files.js';

function usageOf(fields: string, more = '') {
  return parse(`${MINIMAL}${more}usage: ${fields}\n`).usage;
}

function refusalOf(fields: string, more = ''): string {
  try {
    usageOf(fields, more);
  } catch (error) {
    assert.ok(error instanceof OperatorError);
    return error.message.replace(/^.*?w\.yaml:\d+:\d+: /, '');
  }
  return assert.fail(`${fields} was accepted`);
}

test('usage records have defaults, and lie in the state directory', () => {
  assert.deepEqual(usageOf('{}', 'state_dir: ./state\n'), {
    dir: '/etc/weir/state/usage',
    flushEveryMs: 1000,
    segmentBytes: 64 * 1024 ** 2,
    keepMs: 7 * 86_400_000,
    keepBytes: 1024 ** 3,
    namesUsers: false,
    deliver: null,
  });
  assert.equal(usageOf('{ dir: /spool }')?.dir, '/spool');
  assert.deepEqual(usageOf('{ dir: d, deliver: { url: "https://b.test/x/" } }')?.deliver, {
    url: 'https://b.test/x/',
    token: null,
    format: 'ndjson',
    everyMs: 5000,
    batchRecords: 1000,
    timeoutMs: 30_000,
    retryMsMax: 300_000,
  });
});

test('usage records that could not be kept as configured are refused', () => {
  assert.match(refusalOf('{}'), /^usage: expected dir, because there is no state_dir/);
  assert.match(refusalOf('{}', 'state_dir: ""\n'), /expected dir/);
  assert.match(
    refusalOf('{ dir: d, segment: 64mb, keep_size: 100mb }'),
    /^usage\.keep_size: keep_size must be at least twice as much as segment/,
  );
  assert.match(
    refusalOf('{ dir: d, segment: 1kb }'),
    /a size such as 64mb or 1gb, from 1mb to 1gb/,
  );
  assert.match(refusalOf('{ dir: d, flush_every: 2m }'), /from 1ms to 1m/);
});

test('a reload changes where records go', () => {
  const before = parse(
    `${MINIMAL}usage: { dir: d, deliver: { url: "http://b", token: one-token } }\n`,
  );
  const after = parse(
    `${MINIMAL}usage: { dir: d, deliver: { url: "http://b", token: two-token } }\n`,
  );
  const [refusal = '', ...rest] = refuseChanges(diffConfigs(before, after));
  assert.deepEqual(rest, []);
  assert.match(refusal, /^usage\.deliver\.token: changed \(not shown\): a reload can’t/);
  assert.deepEqual(refuseChanges(diffConfigs(before, before)), []);
});

test('a receiver’s URL with a secret in it is refused and not shown', () => {
  for (const url of [
    'https://me:hidden@b.test/',
    'https://b.test/?key=hidden',
    'https://b.test/#hidden',
  ]) {
    const refusal = refusalOf(`{ dir: d, deliver: { url: "${url}" } }`);
    assert.match(refusal, /use token/);
    assert.doesNotMatch(refusal, /hidden/);
  }
  assert.match(refusalOf('{ dir: d, deliver: { url: "ftp://b.test" } }'), /http/);
});

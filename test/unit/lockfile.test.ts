/**
 * `npm ci` refuses a lock file in which a package names an optional part (one a platform) that has no
 * entry. `npm install` leaves such entries out where it can't find the part for another platform, so a
 * lock file written on one machine can fail on all. Entries of platforms that Weir does not run on may lack
 * an integrity; the others may not.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY } from '../helpers/need.js';

interface LockEntry {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const { packages } = JSON.parse(readFileSync(join(REPOSITORY, 'package-lock.json'), 'utf8')) as {
  packages: Readonly<Record<string, LockEntry>>;
};

function isOurPlatform({ os, cpu, libc }: LockEntry): boolean {
  const isLinux = os === undefined || os.includes('linux');
  const isCpu = cpu === undefined || cpu.includes('x64') || cpu.includes('arm64');
  return isLinux && isCpu && (libc === undefined || libc.includes('glibc'));
}

test('every optional part that is named has an entry', () => {
  for (const [path, { optionalDependencies = {} }] of Object.entries(packages)) {
    for (const name of Object.keys(optionalDependencies)) {
      const isThere =
        `${path}/node_modules/${name}` in packages || `node_modules/${name}` in packages;
      assert.ok(isThere, `${path} names ${name}, which the lock file lacks: npm ci will refuse it`);
    }
  }
});

test('what is installed on Linux with glibc has an integrity', () => {
  for (const [path, entry] of Object.entries(packages)) {
    if (path === '' || !isOurPlatform(entry)) continue;
    assert.ok(entry.integrity !== undefined, path);
  }
});

test('no entry names a registry’s host', () => {
  for (const [path, { resolved }] of Object.entries(packages)) {
    assert.equal(resolved, undefined, `${path}; npm install --omit-lockfile-registry-resolved`);
  }
});

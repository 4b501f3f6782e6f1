/**
 * The one way to skip a test: by naming what it lacks. On a developer's machine the run says loudly
 * what was left out; where everything is required (`.ci/run`) the file fails instead.
 *
 *   test('relays every recorded stream', { skip: skipUnless(hasFixtures, 'the fixtures') }, …)
 */
import { existsSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository, seen from the compiled file `.test-build/test/helpers/need.js`. */
export const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));

/** Recorded provider streams and vectors of malformed requests; shared, not in the repository. */
export const FIXTURES = resolve(REPOSITORY, process.env['WEIR_FIXTURES'] ?? '../shared/fixtures');

export const isEverythingRequired =
  process.env['WEIR_REQUIRE_ALL'] === '1' || process.env['CI'] === 'true';

export function skipUnless(isThere: boolean, what: string): string | false {
  if (isThere) return false;
  if (isEverythingRequired) throw new Error(`required here, and missing: ${what}`);
  return `missing: ${what}`;
}

/** Whether a program such as `nginx` is on the PATH. Debian keeps daemons in sbin, off a user's PATH. */
export function hasProgram(name: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => existsSync(join(folder, name)));
}

export const hasFixtures = existsSync(FIXTURES);

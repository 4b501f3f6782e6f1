/**
 * Modules of the product by themselves, for what is measured without a server. What is built to run is put together into
 * few files, so that the modules are built apart from it, anew each time.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Releases from before the product was bundled have their modules here. */
const UNBUNDLED = 'dist/limits/plan.js';
const FOLDER = '.modules';

/**
 * @param {string} directory a checkout in which `npm ci` has been run
 * @returns {(name: string) => Promise<any>} imports a file of src/, such as `limits/plan.js`
 */
export function buildModules(directory) {
  const root = resolve(directory);
  const isUnbundled = existsSync(join(root, UNBUNDLED));
  if (!isUnbundled) {
    execFileSync('npm', ['run', '--silent', 'build:modules'], { cwd: root, stdio: 'inherit' });
  }
  const folder = join(root, isUnbundled ? 'dist' : FOLDER);
  return (name) => import(pathToFileURL(join(folder, name)).href);
}

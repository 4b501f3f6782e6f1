/** Where install-rivals.js puts the rivals, and which versions: pinned, so that two runs compare the same programs. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { BENCH_DIR } from '../options.js';

export const CACHE_DIR = path.join(BENCH_DIR, '.cache');
const FAILURES_FILE = path.join(CACHE_DIR, 'failures.json');

export const PINNED = {
  portkey: '1.15.2',
  /**
   * Portkey's own range allows the newest, with which every stream is answered by 500 "TypeError: immutable"
   * (Portkey-AI/gateway, issue 1389); with this one streams work.
   */
  portkeyHttpServer: '1.13.8',
  litellm: '1.106.0',
  bifrost: 'v1.6.8',
  k6: 'v1.8.1',
  wiremock: '3.13.2',
};

/** Each has a directory of its own that its versions name, so that another version is not taken for it. */
export const DIRS = {
  portkey: path.join(CACHE_DIR, `portkey-${PINNED.portkey}-on-${PINNED.portkeyHttpServer}`),
  litellm: path.join(CACHE_DIR, `litellm-${PINNED.litellm}`),
  bifrost: path.join(CACHE_DIR, `bifrost-${PINNED.bifrost}`),
  k6: path.join(CACHE_DIR, `k6-${PINNED.k6}`),
  wiremock: path.join(CACHE_DIR, `wiremock-${PINNED.wiremock}`),
};

/** Where each program stands when it is installed. */
export const PLACES = {
  portkey: path.join(DIRS.portkey, 'node_modules/@portkey-ai/gateway'),
  litellm: path.join(DIRS.litellm, 'bin/litellm'),
  bifrost: path.join(DIRS.bifrost, 'bifrost-http'),
  k6: path.join(DIRS.k6, 'k6'),
  wiremock: path.join(DIRS.wiremock, 'node_modules/wiremock'),
};

/** A rival is not to be had on this machine, or does not work on it; the message says why. */
export class LeftOutError extends Error {}

/** @returns {Record<string, string>} what the last installation could not get, and why */
export function readFailures() {
  return existsSync(FAILURES_FILE) ? JSON.parse(readFileSync(FAILURES_FILE, 'utf8')) : {};
}

/** @param {Record<string, string>} failures */
export function writeFailures(failures) {
  mkdirSync(CACHE_DIR, { recursive: true });
  writeFileSync(FAILURES_FILE, `${JSON.stringify(failures, null, 2)}\n`);
}

/** @param {keyof typeof PLACES} name @returns {string} its place */
export function findInstalled(name) {
  if (existsSync(PLACES[name])) return PLACES[name];
  const reason = readFailures()[name];
  throw new LeftOutError(
    reason === undefined
      ? 'it is not installed (npm run rivals --prefix native-bench)'
      : `it could not be installed: ${reason}`,
  );
}

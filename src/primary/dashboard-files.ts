/** The dashboard's page and what it loads: a few files, read once. Nothing of it comes from anywhere else. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface StaticFile {
  readonly contentType: string;
  readonly body: string;
}

const FOLDER = fileURLToPath(new URL('../dashboard/', import.meta.url));

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
};

/**
 * Nothing but what comes from this server; styles within the page's elements are uPlot's, which places its parts by them.
 */
export const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; " +
  "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** By path. Empty where the page was not built, as in the tests of single modules. */
export function readDashboardFiles(): ReadonlyMap<string, StaticFile> {
  const files = new Map<string, StaticFile>();
  if (!existsSync(join(FOLDER, 'index.html'))) return files;
  for (const name of readdirSync(FOLDER)) {
    const contentType = CONTENT_TYPES[extname(name)];
    if (contentType === undefined) continue;
    const body = readFileSync(join(FOLDER, name), 'utf8');
    files.set(name === 'index.html' ? '/' : `/dashboard/${name}`, { contentType, body });
  }
  const plots = join(dirname(createRequire(import.meta.url).resolve('uplot')), '');
  for (const [path, name] of [
    ['/dashboard/uplot.js', 'uPlot.esm.js'],
    ['/dashboard/uplot.css', 'uPlot.min.css'],
  ] as const) {
    const contentType = CONTENT_TYPES[extname(path)] ?? '';
    files.set(path, { contentType, body: readFileSync(join(plots, name), 'utf8') });
  }
  return files;
}

/** Writes config/schema.json; run by the build from dist/config/. */
import { readFileSync, writeFileSync } from 'node:fs';
import { formatJsonSchema } from './json-schema.js';

const target = new URL('../../config/schema.json', import.meta.url);

/** An installed package may be read-only, and has the right file already. */
function isUpToDate(text: string): boolean {
  try {
    return readFileSync(target, 'utf8') === text;
  } catch {
    return false;
  }
}

const text = formatJsonSchema();
if (!isUpToDate(text)) writeFileSync(target, text);

/** Which dialect a request is in, and what each can say. */
import type { DialectName } from '../core/errors.js';
import { anthropicDialect } from './anthropic/dialect.js';
import type { Dialect } from './dialect.js';
import { openaiDialect } from './openai/dialect.js';

export const DIALECTS: Readonly<Record<DialectName, Dialect>> = {
  openai: openaiDialect,
  anthropic: anthropicDialect,
};

/**
 * Anthropic's own paths, and, for the paths that both APIs have (`/v1/models`, `/v1/files`), the header that all
 * of Anthropic's clients send.
 */
export function detectDialect(path: string, hasAnthropicVersion: boolean): DialectName {
  const isAnthropic =
    hasAnthropicVersion || path.startsWith('/v1/messages') || path === '/v1/complete';
  return isAnthropic ? 'anthropic' : 'openai';
}

/**
 * Paths whose requests have no top-level `model`: storage, and batches, whose lines name one each. Their bodies may be
 * of any size and are not looked into.
 */
const WITHOUT_MODEL =
  /^\/v1\/(?:files|uploads|batches|containers|skills|vector_stores|organization|messages\/batches)(?:\/|$)/;

/** Most requests have the path of the one before. */
let lastNamingPath = '';

export function mayNameModel(path: string): boolean {
  if (path === lastNamingPath) {
    return true;
  }
  if (WITHOUT_MODEL.test(path)) {
    return false;
  }
  lastNamingPath = path;
  return true;
}

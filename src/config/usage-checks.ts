/** Checks of `usage` that span several fields; as those of consistency.ts, they read the bare value. */
import { isRecord, type Problems } from './problems.js';
import { Refusal } from './refusal.js';
import { parseSizeBytes } from './units.js';
import { KEEP_SIZE_DEFAULT, SEGMENT_DEFAULT } from './usage-schema.js';

export function checkUsage(file: Readonly<Record<string, unknown>>, problems: Problems): void {
  const { usage, state_dir: stateDir } = file;
  if (!isRecord(usage)) return;
  const hasStateDir = typeof stateDir === 'string' && stateDir !== '';
  if (!Object.hasOwn(usage, 'dir') && !hasStateDir) {
    const reason = 'expected dir, because there is no state_dir that the records could lie in';
    problems.refuse(['usage'], new Refusal('a mapping', { reason }));
  }
  const segment = readSize(usage['segment'] ?? SEGMENT_DEFAULT);
  const keep = readSize(usage['keep_size'] ?? KEEP_SIZE_DEFAULT);
  if (segment !== null && keep !== null && keep < 2 * segment) {
    const key = Object.hasOwn(usage, 'keep_size') ? 'keep_size' : 'segment';
    const reason = 'keep_size must be at least twice as much as segment';
    problems.refuse(['usage', key], new Refusal('a size', { reason }));
  }
}

/** null: it is none, which the schema refuses. */
function readSize(value: unknown): number | null {
  return typeof value === 'string' ? parseSizeBytes(value) : null;
}

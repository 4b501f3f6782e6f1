/**
 * What differs between two configurations, in the words of the file and without its secrets: for `weir check --diff`,
 * for the log and for whoever asked for a reload.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { describeConfig } from './effective.js';
import type { WeirConfig } from './model.js';
import { formatPath } from './problems.js';

export interface ConfigChange {
  readonly kind: 'added' | 'removed' | 'changed';
  /** Such as `providers.openai.timeouts.idle`. */
  readonly path: string;
  /** As the file may say it; null for what is secret, for a whole mapping, and where there is none. */
  readonly before: string | null;
  readonly after: string | null;
}

/** What a running server can't change; an upgrade or a restart can. */
const FIXED = ['listen', 'admin', 'workers', 'accept', 'state_dir', 'usage'] as const;

/** One line for each change that makes a reload impossible. */
export function refuseChanges(changes: readonly ConfigChange[]): string[] {
  const fixed = changes.filter(({ path }) => FIXED.some((name) => isWithin(path, name)));
  return fixed.map(
    (change) =>
      `${formatChange(change)}: a reload can’t change this; an upgrade (SIGUSR2) or a restart can`,
  );
}

export function diffConfigs(before: WeirConfig, after: WeirConfig): ConfigChange[] {
  const changes: ConfigChange[] = [];
  compare([], describeConfig(before, hide), describeConfig(after, hide), changes);
  return changes;
}

/** `consumers.team-b: removed`, `drain_timeout: 1m → 30s`. */
export function formatChange({ kind, path, before, after }: ConfigChange): string {
  if (kind === 'changed') {
    const isShown = before !== null && after !== null;
    return `${path}: ${isShown ? `${before} → ${after}` : 'changed (not shown)'}`;
  }
  const value = kind === 'added' ? after : before;
  return `${path}: ${kind}${value === null ? '' : ` (${value})`}`;
}

/** Stands where a secret does: equal to itself, and never shown. */
class Hidden {
  readonly digest: string;

  constructor(secret: string) {
    this.digest = createHash('sha256').update(secret).digest('hex');
  }
}

function hide(secret: string): Hidden {
  return new Hidden(secret);
}

function compare(
  path: readonly (string | number)[],
  before: unknown,
  after: unknown,
  changes: ConfigChange[],
): void {
  if (isDeepStrictEqual(before, after)) return;
  const [old, next] = [listEntries(before), listEntries(after)];
  if (old === null || next === null) {
    const kind = before === undefined ? 'added' : after === undefined ? 'removed' : 'changed';
    changes.push({
      kind,
      path: formatPath(path),
      before: formatValue(before),
      after: formatValue(after),
    });
    return;
  }
  for (const key of new Set([...old.keys(), ...next.keys()])) {
    compare([...path, key], old.get(key), next.get(key), changes);
  }
}

/** null: a value without a structure that is worth to be told apart. */
function listEntries(value: unknown): Map<string | number, unknown> | null {
  if (value instanceof Map) return value as Map<string, unknown>;
  if (value instanceof Hidden || typeof value !== 'object' || value === null) return null;
  if (!Array.isArray(value)) return new Map(Object.entries(value));
  const isPlain = value.every((entry) => typeof entry !== 'object' || entry instanceof Hidden);
  return isPlain ? null : new Map(value.map((entry, index) => [index, entry]));
}

function formatValue(value: unknown): string | null {
  if (Array.isArray(value)) {
    const shown = value.map(formatValue);
    return shown.includes(null) ? null : `[${shown.join(', ')}]`;
  }
  return typeof value === 'object' || value === undefined ? null : String(value);
}

function isWithin(path: string, name: string): boolean {
  return path === name || path.startsWith(`${name}.`);
}

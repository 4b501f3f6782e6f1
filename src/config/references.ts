/**
 * Checks that every name which refers to another entry finds it, and that keys and fallbacks are
 * not ambiguous. Reads the bare value, as consistency.ts does and for the same reason.
 */
import { entriesOf, limitOwnersOf } from './consistency.js';
import type { Path } from './document.js';
import { isRecord, listNames, type Problems } from './problems.js';
import { Refusal } from './refusal.js';
import { digestConsumerKey } from './secrets.js';

type File = Readonly<Record<string, unknown>>;

export function checkReferences(file: File, problems: Problems): void {
  const providers = namesOf(file, 'providers');
  const models = namesOf(file, 'models');
  for (const [path, model] of entriesOf(file, 'models')) {
    checkName([...path, 'provider'], model['provider'], 'provider', providers, problems);
    for (const [index, target] of listOf(model['targets']).entries()) {
      if (!isRecord(target)) continue;
      checkName(
        [...path, 'targets', index, 'provider'],
        target['provider'],
        'provider',
        providers,
        problems,
      );
    }
    for (const chain of ['fallbacks', 'context_fallbacks', 'content_fallbacks']) {
      for (const [index, fallback] of listOf(model[chain]).entries()) {
        checkName([...path, chain, index], fallback, 'model', models, problems);
      }
    }
  }
  const tiers = namesOf(file, 'tiers');
  for (const [path, consumer] of entriesOf(file, 'consumers')) {
    checkName([...path, 'tier'], consumer['tier'], 'tier', tiers, problems);
  }
  for (const [path, owner] of limitOwnersOf(file)) {
    checkLimitModels(path, owner, models, problems);
  }
  checkFallbackCycles(file, problems);
  checkKeysUnique(file, problems);
}

function checkLimitModels(
  path: Path,
  owner: Readonly<Record<string, unknown>>,
  models: ReadonlySet<string>,
  problems: Problems,
): void {
  for (const [index, limit] of listOf(owner['limits']).entries()) {
    if (!isRecord(limit)) continue;
    for (const [place, name] of listOf(limit['models']).entries()) {
      const at = [...path, 'limits', index, 'models', place];
      checkName(at, name, 'model', models, problems);
    }
  }
}

function checkName(
  path: Path,
  value: unknown,
  kind: string,
  known: ReadonlySet<string>,
  problems: Problems,
): void {
  // Nothing, or something that is no name, is refused by the schema.
  if (typeof value !== 'string' || value === '' || known.has(value)) return;
  const names = [...known];
  const expected =
    names.length === 0
      ? `a configured ${kind}, and there is none`
      : `a configured ${kind}: ${listNames(names)}`;
  problems.refuse(path, new Refusal(expected, { candidates: names }));
}

/** Walks depth first; a fallback that leads back to a model on the way is refused where it stands. */
function checkFallbackCycles(file: File, problems: Problems): void {
  const fallbacks = new Map<string, readonly unknown[]>();
  for (const [path, model] of entriesOf(file, 'models')) {
    fallbacks.set(String(path[1]), listOf(model['fallbacks']));
  }
  const finished = new Set<string>();
  for (const start of fallbacks.keys()) {
    if (finished.has(start)) continue;
    // A stack of its own: a chain may be as long as the file.
    const way = [{ name: start, next: 0 }];
    const onWay = new Set([start]);
    for (let top = way.at(-1); top !== undefined; top = way.at(-1)) {
      const index = top.next;
      const fallback = fallbacks.get(top.name)?.[index];
      top.next += 1;
      if (index >= (fallbacks.get(top.name)?.length ?? 0)) {
        finished.add(top.name);
        onWay.delete(top.name);
        way.pop();
      } else if (typeof fallback === 'string' && onWay.has(fallback)) {
        const names = way.map((entry) => entry.name);
        const cycle = [...names.slice(names.indexOf(fallback)), fallback].join(' -> ');
        const refusal = new Refusal('a fallback', {
          reason: `fallbacks go round in a circle: ${cycle}`,
        });
        problems.refuse(['models', top.name, 'fallbacks', index], refusal);
      } else if (
        typeof fallback === 'string' &&
        fallbacks.has(fallback) &&
        !finished.has(fallback)
      ) {
        way.push({ name: fallback, next: 0 });
        onWay.add(fallback);
      }
    }
  }
}

/** A key that two consumers share would identify neither. */
function checkKeysUnique(file: File, problems: Problems): void {
  const owners = new Map<string, string>();
  for (const [path, consumer] of entriesOf(file, 'consumers')) {
    const name = String(path[1]);
    for (const [index, key] of listOf(consumer['keys']).entries()) {
      const digest = digestConsumerKey(key);
      if (digest === null) continue;
      const owner = owners.get(digest);
      owners.set(digest, owner ?? name);
      if (owner === undefined) continue;
      const whose =
        owner === name ? 'is given twice' : `already belongs to consumer ${JSON.stringify(owner)}`;
      const refusal = new Refusal('a key of its own', { reason: `this key ${whose}` });
      problems.refuse([...path, 'keys', index], refusal);
    }
  }
}

function namesOf(file: File, section: string): ReadonlySet<string> {
  const entries = file[section];
  return new Set(isRecord(entries) ? Object.keys(entries) : []);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

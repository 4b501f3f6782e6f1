/** The usage records of a spool, read as anybody may: with a msgpack library, by the names in each file's head. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Unpackr } from 'msgpackr';
import type { UsageRecord } from '../../src/usage/fields.js';

const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

export function listSpool(dir: string): string[] {
  return existsSync(dir)
    ? readdirSync(dir)
        .filter((name) => name.endsWith('.usage'))
        .sort()
        .map((name) => join(dir, name))
    : [];
}

/** All whole values of all files; what is torn at a file's end is left out. Checksums are not looked at. */
export function readRecords(dir: string): UsageRecord[] {
  return listSpool(dir).flatMap((path) => readSegment(path));
}

export function readSegment(path: string): UsageRecord[] {
  const values: unknown[] = [];
  try {
    unpackr.unpackMultiple(readFileSync(path), (value: unknown) => {
      values.push(value);
    });
  } catch {
    // Torn; what came before it counts.
  }
  const [head] = values as [{ fields: string[]; weir_usage: number } | undefined];
  if (head === undefined) return [];
  assert.equal(head.weir_usage, 1);
  return values
    .filter((value): value is unknown[] => Array.isArray(value))
    .map((value) => Object.fromEntries(head.fields.map((name, i) => [name, value[i]])));
}

export function sumOf(records: readonly UsageRecord[], field: keyof UsageRecord): number {
  return records.reduce((sum, record) => sum + Number(record[field] ?? 0), 0);
}

/** Fails where one is there twice. */
export function indexById(records: readonly UsageRecord[]): Map<string, UsageRecord> {
  const byId = new Map(records.map((record) => [String(record.id), record]));
  assert.equal(byId.size, records.length, 'a record is there twice');
  return byId;
}

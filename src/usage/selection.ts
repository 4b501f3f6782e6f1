/** Which records `weir usage` is asked for, and by what it sums them. */
import { parseDurationMs } from '../config/units.js';
import { OperatorError } from '../core/errors.js';
import type { UsageField, UsageRecord } from './fields.js';

/** What records can be told apart by: a field, or the day or hour (UTC) in which the exchange began. */
export const GROUPINGS = [
  'consumer',
  'user',
  'model',
  'entry',
  'provider',
  'target_model',
  'day',
  'hour',
  'dialect',
  'path',
  'status',
  'ended_by',
  'ended_reason',
] as const;

export type Grouping = (typeof GROUPINGS)[number];

export interface Selection {
  /** Milliseconds since 1970; the exchange began then or later. */
  readonly fromMs: number;
  /** The exchange began before it. */
  readonly toMs: number;
  readonly consumer: string | null;
  readonly model: string | null;
  readonly provider: string | null;
}

export function isSelected(record: UsageRecord, selection: Selection): boolean {
  const startedMs = Number(record.started_ms ?? 0);
  return (
    startedMs >= selection.fromMs &&
    startedMs < selection.toMs &&
    fits(record, 'consumer', selection.consumer) &&
    fits(record, 'model', selection.model) &&
    fits(record, 'provider', selection.provider)
  );
}

function fits(record: UsageRecord, field: UsageField, wanted: string | null): boolean {
  return wanted === null || record[field] === wanted;
}

const DAY_CHARS = 'YYYY-MM-DD'.length;
const HOUR_CHARS = 'YYYY-MM-DDTHH'.length;

/** How a group is called, as far as this grouping goes; empty where the record does not say. */
export function nameGroup(record: UsageRecord, by: Grouping): string {
  if (by === 'day' || by === 'hour') {
    const text = new Date(Number(record.started_ms ?? 0)).toISOString();
    return by === 'day' ? text.slice(0, DAY_CHARS) : `${text.slice(0, HOUR_CHARS)}:00Z`;
  }
  const value = record[by];
  return value === null || value === undefined ? '' : String(value);
}

/** @throws OperatorError for what can't be summed by. */
export function readGroupings(text: string): Grouping[] {
  return text.split(',').map((word) => {
    const name = GROUPINGS.find((candidate) => candidate === word.trim());
    if (name === undefined) {
      throw new OperatorError(`--by: expected some of ${GROUPINGS.join(',')}, got "${word}"`);
    }
    return name;
  });
}

const DATE = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2})?)?$/;

/**
 * A date such as `2026-11-23` (midnight, UTC), a time such as `2026-11-23T10:00Z`, or how long ago, such as `24h`.
 *
 * @throws OperatorError.
 */
export function readTime(option: string, text: string, wallMs: number): number {
  const agoMs = parseDurationMs(text);
  if (agoMs !== null) {
    return wallMs - agoMs;
  }
  // A time of day without a zone would be taken as this machine's; days and files are in UTC.
  const zoned = /T.*(?:Z|[+-]\d{2}:\d{2})$/.test(text) || !text.includes('T') ? text : `${text}Z`;
  const ms = DATE.test(text) ? Date.parse(zoned) : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new OperatorError(
      `${option}: expected a date (2026-11-23), a time (2026-11-23T10:00Z) or how long ago (24h), got "${text}"`,
    );
  }
  return ms;
}

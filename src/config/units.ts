/** Durations and sizes as people write them: `500ms 30s 1m 1h 1d`, `64kb 10mb`. */

import { DURATION_UNITS_MS } from '../core/durations.js';

const SIZE_UNITS_BYTES = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 } as const;

/** For editors; the same language as parseDurationMs reads. */
export const DURATION_PATTERN = '^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$';

/** The same for parseSizeBytes. */
export const SIZE_PATTERN = '^[0-9]+(\\.[0-9]+)?(b|kb|mb|gb)$';

/** Returns null where `text` is no duration or no whole number of milliseconds. */
export function parseDurationMs(text: string): number | null {
  return parseQuantity(text, /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/, DURATION_UNITS_MS);
}

/** Returns null where `text` is no size or no whole number of bytes. A kilobyte has 1024 bytes. */
export function parseSizeBytes(text: string): number | null {
  return parseQuantity(text, /^(\d+(?:\.\d+)?)(b|kb|mb|gb)$/, SIZE_UNITS_BYTES);
}

/** The shortest form that parseDurationMs reads back as the same number. */
export function formatDuration(durationMs: number): string {
  return formatQuantity(durationMs, DURATION_UNITS_MS);
}

/** The shortest form that parseSizeBytes reads back as the same number. */
export function formatSize(sizeBytes: number): string {
  return formatQuantity(sizeBytes, SIZE_UNITS_BYTES);
}

function parseQuantity(
  text: string,
  shape: RegExp,
  units: Readonly<Record<string, number>>,
): number | null {
  const [, digits, unit] = shape.exec(text) ?? [];
  if (digits === undefined || unit === undefined) return null;
  const factor = units[unit];
  if (factor === undefined) return null;
  // 0.3s is 300 ms to a person, and 299.99999999999994 to a floating-point product.
  const exact = Number(digits) * factor;
  const rounded = Math.round(exact);
  const isWhole = Math.abs(exact - rounded) < 1e-6;
  return isWhole && Number.isSafeInteger(rounded) ? rounded : null;
}

/** `units` stand from the smallest, which is 1, to the largest. */
function formatQuantity(amount: number, units: Readonly<Record<string, number>>): string {
  let text = '';
  for (const [unit, factor] of Object.entries(units)) {
    if (factor === 1 || (amount !== 0 && amount % factor === 0)) text = `${amount / factor}${unit}`;
  }
  return text;
}

/** Times that were measured on a machine that others use too: the median is held to the promise, each to a looser bound. */
import assert from 'node:assert/strict';

export function findMedian(times: readonly number[]): number {
  const sorted = [...times].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function show(times: readonly number[]): string {
  return `${times.map((ms) => ms.toFixed(1)).join(', ')} ms`;
}

/** What a test run prints: `median 3.1 ms of 1.9, 3.1, 4.0 ms`. */
export function describeTimes(times: readonly number[]): string {
  return `median ${findMedian(times).toFixed(1)} of ${show(times)}`;
}

/** P-12 promises 50 ms. The machine may hold up single ones, so each of them may take 250. */
export const PROMPT_MS_MAX = 50;
export const HELD_UP_MS_MAX = 250;

export function assertPrompt(times: readonly number[], what: string): void {
  assert.ok(times.length > 0, `${what}: nothing was measured`);
  assert.ok(
    findMedian(times) <= PROMPT_MS_MAX,
    `${what}: the median should be at most ${PROMPT_MS_MAX} ms: ${describeTimes(times)}`,
  );
  assert.ok(
    Math.max(...times) <= HELD_UP_MS_MAX,
    `${what}: each should take at most ${HELD_UP_MS_MAX} ms: ${show(times)}`,
  );
}

/** Timeouts are checked on a tick of 20 ms, so they may come a tick early; 100 ms late is the machine's share. */
export const EARLY_MS_MAX = 25;
export const LATE_MS_MAX = 100;

export function assertPunctual(times: readonly number[], configuredMs: number, what: string): void {
  assert.ok(times.length > 0, `${what}: nothing was measured`);
  assert.ok(
    Math.min(...times) >= configuredMs - EARLY_MS_MAX &&
      Math.max(...times) <= configuredMs + LATE_MS_MAX,
    `${what}: should take ${configuredMs} ms: ${show(times)}`,
  );
}

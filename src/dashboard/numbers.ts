/** How figures are written for people: three digits, and a unit that fits. */

const STEPS: readonly (readonly [number, string])[] = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
];

export function formatCount(value: number): string {
  for (const [step, unit] of STEPS) {
    if (value >= step * 10 || (value >= step && step > 1e3)) return `${trim(value / step)}${unit}`;
  }
  return trim(value);
}

export function formatDollars(value: number): string {
  return `$${value > 0 && value < 0.01 ? value.toPrecision(1) : formatFixed(value)}`;
}

export function formatMs(ms: number): string {
  if (ms >= 60_000) return `${trim(ms / 60_000)} min`;
  if (ms >= 1000) return `${trim(ms / 1000)} s`;
  return `${trim(ms)} ms`;
}

export function formatBytes(bytes: number): string {
  if (bytes >= 2 ** 30) return `${trim(bytes / 2 ** 30)} GB`;
  if (bytes >= 2 ** 20) return `${trim(bytes / 2 ** 20)} MB`;
  return `${trim(bytes / 1024)} KB`;
}

function formatFixed(value: number): string {
  return value >= 1000 ? formatCount(value) : value.toFixed(2);
}

function trim(value: number): string {
  if (value === 0) return '0';
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

const PERIODS: readonly (readonly [ms: number, name: string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1000, 's'],
];

/** From `requests/60000/600/*`: kind, period, amount, models. */
export function describeLimit(limit: string): string {
  const [kind = '', per = '', , ...models] = limit.split('/');
  const [step, unit] = PERIODS.find(([ms]) => Number(per) % ms === 0) ?? [1, 'ms'];
  const period = per === '-' ? '' : ` per ${Number(per) / step}${unit}`;
  const only = models.join('/') === '*' ? '' : ` of ${models.join('/')}`;
  return `${kind.replaceAll('_', ' ')}${period}${only}`;
}

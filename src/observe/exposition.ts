/**
 * Writes the Prometheus text format, version 0.0.4. A scrape with a thousand consumers has tens of thousands of lines of
 * which only the values change, so whoever has many keeps the beginnings of its lines.
 */
export type MetricType = 'counter' | 'gauge' | 'histogram';
export type Labels = Readonly<Record<string, string | number>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** All lines of one metric. */
export interface Family {
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  /** The samples, each a line of its own, in pieces of some lines. */
  readonly write: () => Iterable<string>;
}

/** What stands before the samples. */
export function writeHead({ name, type, help }: Family): string {
  return `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
}

/** @param start as startLine() gives it. */
export function writeLine(start: string, value: number): string {
  return `${start}${formatValue(value)}\n`;
}

export function writeSamples(name: string, samples: readonly Sample[]): string {
  return samples.map(({ labels, value }) => writeLine(startLine(name, labels), value)).join('');
}

/** A sample up to its value. */
export function startLine(name: string, labels: Labels): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? `${name} ` : `${name}{${pairs.join(',')}} `;
}

function formatValue(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '+Inf' : '-Inf';
}

function escapeLabel(value: string | number): string {
  return typeof value === 'number'
    ? formatValue(value)
    : value.replace(/["\\\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`));
}

function escapeHelp(text: string): string {
  return text.replace(/[\\\n]/g, (char) => (char === '\n' ? '\\n' : '\\\\'));
}

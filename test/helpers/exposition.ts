/**
 * A strict reader of Prometheus' text format 0.0.4, written from its specification and independent of
 * prom-client. Throws on anything that Prometheus would refuse, and on what it merely tolerates.
 */

export interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly Sample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*/;
const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];

export function parseExposition(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line has no newline');
  const families = new Map<
    string,
    { name: string; help: string; type: string; samples: Sample[] }
  >();
  const series = new Set<string>();
  let help: { name: string; text: string } | null = null;
  let current: { name: string; help: string; type: string; samples: Sample[] } | null = null;
  for (const line of text.split('\n').slice(0, -1)) {
    if (line === '') continue;
    if (line.startsWith('# HELP ')) {
      const [, name = '', words = ''] = /^# HELP (\S+) (.+)$/.exec(line) ?? [];
      help = { name, text: words };
    } else if (line.startsWith('# TYPE ')) {
      const [, name = '', type = ''] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
      if (!TYPES.includes(type)) throw new Error(`unknown type: ${line}`);
      if (help?.name !== name) throw new Error(`no HELP before: ${line}`);
      if (families.has(name)) throw new Error(`second TYPE of ${name}`);
      current = { name, help: help.text, type, samples: [] };
      families.set(name, current);
    } else if (line.startsWith('#')) {
      throw new Error(`unexpected comment: ${line}`);
    } else {
      const sample = parseSample(line);
      if (current === null || !belongsTo(sample, current))
        throw new Error(`outside of its family: ${line}`);
      const key = JSON.stringify([sample.name, [...sample.labels].sort()]);
      if (series.has(key)) throw new Error(`second sample of one series: ${line}`);
      series.add(key);
      current.samples.push(sample);
    }
  }
  for (const family of families.values()) if (family.type === 'histogram') checkHistogram(family);
  return families;
}

function belongsTo(sample: Sample, family: { name: string; type: string }): boolean {
  if (family.type === 'histogram') {
    const suffix = sample.name.slice(family.name.length);
    return sample.name.startsWith(family.name) && ['_bucket', '_sum', '_count'].includes(suffix);
  }
  return (
    sample.name === family.name ||
    (family.type === 'summary' && sample.name.startsWith(family.name))
  );
}

function parseSample(line: string): Sample {
  const name = NAME.exec(line)?.[0];
  if (name === undefined) throw new Error(`no name: ${line}`);
  let rest = line.slice(name.length);
  const labels = new Map<string, string>();
  if (rest.startsWith('{')) {
    rest = rest.slice(1);
    while (!rest.startsWith('}')) {
      const label = LABEL_NAME.exec(rest)?.[0];
      if (label === undefined || labels.has(label)) throw new Error(`bad label: ${line}`);
      rest = rest.slice(label.length);
      if (!rest.startsWith('="')) throw new Error(`bad label: ${line}`);
      const { value, length } = parseQuoted(rest.slice(2), line);
      labels.set(label, value);
      rest = rest.slice(2 + length);
      if (rest.startsWith(',')) rest = rest.slice(1);
      else if (!rest.startsWith('}')) throw new Error(`bad separator: ${line}`);
    }
    rest = rest.slice(1);
  }
  const match = /^ (\+Inf|-Inf|NaN|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(rest);
  if (match === null) throw new Error(`bad value: ${line}`);
  return { name, labels, value: readNumber(match[1] ?? '') };
}

function parseQuoted(text: string, line: string): { value: string; length: number } {
  let value = '';
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === '"') return { value, length: at + 1 };
    if (char !== '\\') {
      value += char;
      continue;
    }
    at += 1;
    const escaped = { '\\': '\\', '"': '"', n: '\n' }[text[at] ?? ''];
    if (escaped === undefined) throw new Error(`bad escape: ${line}`);
    value += escaped;
  }
  throw new Error(`open quote: ${line}`);
}

function readNumber(text: string): number {
  return text.endsWith('Inf') ? Number(`${text}inity`) : Number(text);
}

function checkHistogram(family: Family): void {
  const groups = new Map<
    string,
    { les: number[]; values: number[]; count: number; hasSum: boolean }
  >();
  for (const { name, labels, value } of family.samples) {
    const key = JSON.stringify([...labels].filter(([label]) => label !== 'le').sort());
    const group = groups.get(key) ?? { les: [], values: [], count: Number.NaN, hasSum: false };
    groups.set(key, group);
    if (name.endsWith('_bucket')) {
      group.les.push(readNumber(labels.get('le') ?? ''));
      group.values.push(value);
    } else if (name.endsWith('_count')) group.count = value;
    else group.hasSum = true;
  }
  for (const [key, { les, values, count, hasSum }] of groups) {
    const isAscending = (list: number[], isStrict: boolean): boolean =>
      list.every(
        (value, at) => at === 0 || (isStrict ? value > list[at - 1]! : value >= list[at - 1]!),
      );
    if (!isAscending(les, true) || !isAscending(values, false))
      throw new Error(`buckets out of order: ${key}`);
    if (les.at(-1) !== Number.POSITIVE_INFINITY) throw new Error(`no +Inf: ${family.name}${key}`);
    if (values.at(-1) !== count || !hasSum)
      throw new Error(`+Inf is not _count, or no _sum: ${family.name}${key}`);
  }
}

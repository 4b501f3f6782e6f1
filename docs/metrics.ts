/** Prints docs/metrics.md from what /metrics serves when everything has happened once, so that it can't leave one out. */
import { MEASURED_BOUNDS } from '../src/observe/histogram-metrics.js';
import { type Family, parseExposition } from '../test/helpers/exposition.js';
import { createMetricsScene } from '../test/helpers/metrics-scene.js';

const UNITS: readonly (readonly [ending: RegExp, unit: string])[] = [
  [/_seconds(?:_total)?$/, 'seconds'],
  [/_bytes(?:_total)?$/, 'bytes'],
  [/_dollars(?:_total)?$/, 'US dollars'],
  [/_ratio$/, 'ratio'],
  [/_tokens?(?:_usage|_total)$|^gen_ai_client_token_usage$/, 'tokens'],
  [/^weir_limit_(?:capacity|level|reserved|settled_total|refunded_total)$/, 'of the limit'],
];

/** Labels that say what something is; the others, such as `le`, are Prometheus's. */
const LABELS: Readonly<Record<string, string>> = {
  provider: 'A name under `providers`; `(none)`: it did not come to one.',
  model: 'A name under `models`; `*` where any is meant there. Never what a client wrote.',
  target:
    'What the provider was asked for; the name under `models` where the target has no `model`.',
  status: 'Class of the status that the client was answered; `none`: it got no answer.',
  consumer:
    'A name under `consumers`; `other`: those beyond `metrics.consumers`; `(none)`: exchanges of nobody that is known.',
  limit: 'Kind, period in milliseconds, burst and models.',
  code: 'Of [errors.md](errors.md).',
  class: '`ok`, a class of [failure-classes.md](failure-classes.md), or why it came to nothing.',
  by: 'The side that ended it: `downstream` is the client, `upstream` the provider, `gateway` Weir.',
  direction: '`received` from clients, `sent` to them.',
  type: '`input`, `output`, `cached_input` (part of input), `reasoning` (part of output).',
  result: 'What came of a reload.',
  reason: 'Why spans were lost.',
  gen_ai_provider_name: 'As `provider`.',
  gen_ai_request_model: 'As `target`.',
  gen_ai_operation_name:
    '`chat`, `text_completion`, `embeddings`; other calls are not in these metrics.',
  gen_ai_token_type: '`input` or `output`.',
  error_type: '`_OTHER`: it failed; not there: it did not.',
};

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.map(escapeCell).join(' | ')} |`).join('\n');
}

function unitOf(name: string): string {
  return UNITS.find(([ending]) => ending.test(name))?.[1] ?? '';
}

export function labelsOf({ samples }: Family): string[] {
  const names = new Set(samples.flatMap(({ labels }) => [...labels.keys()]));
  names.delete('le');
  return [...names];
}

function describe(families: readonly Family[]): string {
  const rows = families.map((family) => [
    `\`${family.name}\``,
    family.type,
    unitOf(family.name),
    labelsOf(family)
      .map((label) => `\`${label}\``)
      .join(', '),
    family.help,
  ]);
  return renderTable(['metric', 'type', 'unit', 'labels', 'what it tells'], rows);
}

function isOwn({ name }: Family): boolean {
  return name.startsWith('weir_');
}

function isGenAi({ name }: Family): boolean {
  return name.startsWith('gen_ai_');
}

/** All that is served. */
export async function readFamilies(): Promise<Family[]> {
  const scene = createMetricsScene();
  scene.fill();
  return [...parseExposition(await scene.metrics.render()).values()];
}

export async function renderMetrics(): Promise<string> {
  const families = await readFamilies();
  // Which labels there are depends on what the process has done by now.
  const ofProcess = families
    .filter((one) => !isOwn(one) && !isGenAi(one))
    .map(({ name, type, help }) => [`\`${name}\``, type, help]);
  const used = new Set(families.filter((one) => isOwn(one) || isGenAi(one)).flatMap(labelsOf));
  const labels = [...used].filter((name) => name in LABELS);
  const bounds = [...MEASURED_BOUNDS].map(([name, values]) => [
    `\`${name}\``,
    [...values].map(String).join(', '),
  ]);
  return `# Metrics

<!-- Printed from what /metrics serves by \`npm run docs\`. Change src/observe, or docs/metrics.ts. -->

\`GET /metrics\` on the admin port, in Prometheus's text format 0.0.4:

\`\`\`yaml
scrape_configs:
  - job_name: weir
    static_configs: [{ targets: ["127.0.0.1:8081"] }]
    # With admin.token, or from another machine:
    # authorization: { credentials_file: weir-admin-token }
\`\`\`

A dashboard for Grafana is \`config/grafana/weir.json\`, alerts for Prometheus are \`config/prometheus/alerts.yaml\`.

Workers count in memory that they share with the primary; a scrape adds that up in the primary and asks no worker for
anything. Several scrapes at a time are one. Counters go on over reloads and when a worker is replaced, and begin anew with
an upgrade or a restart.

Labels are bounded by the configuration, never by what clients write: \`metrics.consumers\` (1000) consumers have series of
their own, and all others are summed as \`other\`; a consumer of that very name is among them. Who was there first keeps the
place until the next start. Beyond 512 targets histograms are summed as \`(other)\`.

A histogram has no series before the first value. \`status\`, \`class\` and \`type\` have no series at 0, but for the most
usual ones, so that a rate can be taken from the start.

## Weir

${describe(families.filter(isOwn))}

\`weir_usage_…\` are there where [usage records](usage-records.md) are written.

## GenAI semantic conventions

The names, units and bounds of OpenTelemetry, as its exporter for Prometheus writes them. They tell of the provider as its
client sees it, so durations begin when the request was written to it, after queueing and connecting; of several attempts the last one counts. Tokens are
in them only where the provider has counted them, and only of calls that are metered: those of consumers and of callers with
limits of tokens or cost, and all where usage records are written. \`gen_ai_server_time_per_output_token_seconds\` is of streams that came whole: the
time after the first token, by the tokens after it.

${describe(families.filter(isGenAi))}

## Labels

${renderTable(
  ['label', 'meaning'],
  labels.map((name) => [`\`${name}\``, LABELS[name] ?? '']),
)}

## Bounds of histograms

${renderTable(['metric', 'upper bounds'], bounds)}

Native histograms are not served: the text format has none. Percentiles to a hundredth are under \`/api/histograms\`.

## The process

Of prom-client, for the primary's thread and the whole process.

${renderTable(['metric', 'type', 'what it tells'], ofProcess)}
`;
}

/** Alerts and dashboard ask for nothing that is not served, and Prometheus's own tool finds nothing wrong with any of it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { ERRORS } from '../../../src/core/errors.js';
import { ScratchFolder } from '../../helpers/command.js';
import { type Family, parseExposition } from '../../helpers/exposition.js';
import { createMetricsScene } from '../../helpers/metrics-scene.js';
import { hasProgram, REPOSITORY, skipUnless } from '../../helpers/need.js';

const ALERTS = join(REPOSITORY, 'config/prometheus/alerts.yaml');
const DASHBOARD = join(REPOSITORY, 'config/grafana/weir.json');
const skip = skipUnless(hasProgram('promtool'), 'promtool, of Debian’s package prometheus');

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}

interface Panel {
  readonly title: string;
  readonly gridPos: Readonly<Record<'x' | 'y' | 'w' | 'h', number>>;
  readonly targets?: readonly { readonly expr: string }[];
}

interface Board {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly definition?: string }[] };
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
}

const rules = parse(readFileSync(ALERTS, 'utf8')) as Rules;
const board = JSON.parse(readFileSync(DASHBOARD, 'utf8')) as Board;
const alerts = rules.groups.flatMap((group) => group.rules);
const asked = [
  ...alerts.map(({ expr }) => expr),
  ...board.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...board.annotations.list.map(({ expr }) => expr),
];

async function render(): Promise<string> {
  const scene = createMetricsScene();
  scene.fill();
  return scene.metrics.render();
}

/** Name of a sample → its labels. */
async function readServed(): Promise<Map<string, Set<string>>> {
  const served = new Map<string, Set<string>>();
  const families: Family[] = [...parseExposition(await render()).values()];
  for (const { samples } of families) {
    for (const { name, labels } of samples) {
      const known = served.get(name) ?? new Set();
      served.set(name, new Set([...known, ...labels.keys()]));
    }
  }
  return served;
}

const METRIC = /\b((?:weir|gen_ai|process|nodejs)_[a-z0-9_]+)(?:\{([^}]*)\})?/g;
const OF_PROMETHEUS = ['instance', 'job'];

test('a metric or a label that alerts or the dashboard name is not served', async () => {
  const served = await readServed();
  assert.ok(asked.length > 60, String(asked.length));
  for (const expr of asked) {
    // Labels by which is summed are no metrics.
    const grouped = Array.from(
      expr.matchAll(/\b(?:by|on|without)\s*\(([^)]*)\)/g),
      ([, list]) => list,
    );
    const bare = expr.replace(/\b(?:by|on|without)\s*\([^)]*\)/g, '');
    const labels = new Set<string>();
    let metrics = 0;
    for (const [, name = '', matchers = ''] of bare.matchAll(METRIC)) {
      metrics += 1;
      const own = served.get(name);
      assert.ok(own !== undefined, `${name} in ${expr}`);
      for (const label of own) labels.add(label);
      for (const [, label = ''] of matchers.matchAll(/([a-z_]+)\s*[=!]~?/g)) {
        assert.ok(own.has(label) || OF_PROMETHEUS.includes(label), `${label} of ${name}`);
      }
    }
    assert.ok(metrics > 0 || /^up\{/.test(bare), expr);
    for (const label of grouped.flatMap((list = '') => list.split(',').map((one) => one.trim()))) {
      if (label === '' || OF_PROMETHEUS.includes(label)) continue;
      assert.ok(labels.has(label), `${label} in ${expr}`);
    }
  }
  for (const { definition } of board.templating.list) {
    const [, name = ''] = /label_values\((\w+)/.exec(definition ?? '') ?? [];
    assert.ok(definition === undefined || served.has(name), definition);
  }
});

test('an alert waits for an error or an outcome that there is not', async () => {
  const served = parseExposition(await render());
  const results = new Set(
    served.get('weir_config_reloads_total')?.samples.map(({ labels }) => labels.get('result')),
  );
  for (const expr of asked) {
    for (const [, codes = ''] of expr.matchAll(/code=~"([^"]*)"/g)) {
      for (const code of codes.split('|')) assert.ok(code in ERRORS, code);
    }
    for (const [, names = ''] of expr.matchAll(/result=~"([^"]*)"/g)) {
      for (const name of names.split('|')) assert.ok(results.has(name), name);
    }
  }
  assert.equal(new Set(alerts.map(({ alert }) => alert)).size, alerts.length);
});

test('panels of the dashboard lie upon each other', () => {
  const cells = new Set<string>();
  for (const { title, gridPos } of board.panels) {
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        assert.ok(x < 24 && !cells.has(`${x}:${y}`), title);
        cells.add(`${x}:${y}`);
      }
    }
  }
});

function runPromtool(args: readonly string[], input = ''): void {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  assert.deepEqual([status, stderr], [0, ''], stdout);
}

test('promtool finds a fault in names, types or help texts', { skip }, async () => {
  runPromtool(['check', 'metrics'], await render());
});

test('promtool can’t read an alert, or a query of the dashboard', { skip }, () => {
  runPromtool(['check', 'rules', ALERTS]);
  const folder = new ScratchFolder();
  try {
    const queries = board.panels.flatMap(({ targets = [] }) => targets);
    const recorded = queries.map(({ expr }, at) => ({
      record: `query:${at}`,
      expr: expr.replaceAll('$__rate_interval', '1m').replace(/\$(?:provider|model)\b/g, '.*'),
    }));
    const file = folder.write(
      'queries.json',
      JSON.stringify({ groups: [{ name: 'dashboard', rules: recorded }] }),
    );
    runPromtool(['check', 'rules', '--lint=none', file]);
  } finally {
    folder.remove();
  }
});

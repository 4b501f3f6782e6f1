/** The dashboard: what comes of the live samples goes into tiles, curves and tables, once a second. */
import type { LiveLimit, LiveSample, LiveShape } from '../observe/live-sample.js';
import { drawHeat, PercentileChart, TimeChart } from './charts.js';
import { ExchangeTables } from './exchanges.js';
import { describeLimit, formatBytes, formatCount, formatDollars, formatMs } from './numbers.js';
import { compare, compareRoutes, type Rates } from './rates.js';
import { authorize, readLive } from './stream.js';
import { type Cell, SortedTable } from './tables.js';

/** Five minutes, a sample a second. */
const KEPT_MAX = 300;
/** What the tables' rates are taken over. */
const TABLE_SAMPLES = 10;

function find<Kind extends HTMLElement>(id: string): Kind {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element as Kind;
}

const charts = {
  requests: new TimeChart(
    find('requests'),
    [
      { label: 'answered', color: '--accent', isFilled: true },
      { label: 'refused by Weir', color: '--warn' },
      { label: 'provider 4xx', color: '--faint' },
      { label: 'provider 5xx', color: '--bad' },
    ],
    formatCount,
  ),
  tokens: new TimeChart(
    find('tokens'),
    [
      { label: 'prompt', color: '--faint' },
      { label: 'answer', color: '--accent', isFilled: true },
    ],
    formatCount,
  ),
  money: new TimeChart(
    find('money'),
    [{ label: 'dollars per hour', color: '--good', isFilled: true }],
    formatDollars,
  ),
  flight: new TimeChart(
    find('flight'),
    [{ label: 'exchanges', color: '--accent', isFilled: true }],
    formatCount,
  ),
};
const heat = find<HTMLCanvasElement>('heat');
const tables = {
  routes: new SortedTable(
    find<HTMLTableElement>('routes-table'),
    [
      { name: 'Model', isText: true },
      { name: 'Provider', isText: true },
      { name: 'State', isText: true },
      { name: 'Requests/s' },
      { name: 'Errors/s' },
      { name: 'Prompt tokens/s' },
      { name: 'Answer tokens/s' },
      { name: '$/h' },
      { name: 'Answers' },
    ],
    3,
    'No model is configured.',
  ),
  limits: new SortedTable(
    find<HTMLTableElement>('limits-table'),
    [
      { name: 'Consumer', isText: true },
      { name: 'Limit', isText: true },
      { name: 'Left' },
      { name: 'Of' },
      { name: 'Reserved' },
      { name: 'Refused' },
    ],
    5,
    'No consumer has limits.',
  ),
  providers: new SortedTable(
    find<HTMLTableElement>('providers-table'),
    [
      { name: 'Provider', isText: true },
      { name: 'Connections' },
      { name: 'Waiting' },
      { name: 'Refused by queue' },
    ],
    1,
    'No provider is configured.',
  ),
  workers: new SortedTable(
    find<HTMLTableElement>('workers-table'),
    [
      { name: 'Worker', isText: true },
      { name: 'Requests/s' },
      { name: 'In flight' },
      { name: 'Connections' },
    ],
    0,
    'Waiting for the first sample …',
  ),
};

let shape: LiveShape | null = null;
let percentileChart: PercentileChart | null = null;
let samples: LiveSample[] = [];
let rates: Rates[] = [];
let isPaused = false;

function takeShape(next: LiveShape): void {
  if (shape !== null && shape.startId !== next.startId) {
    samples = [];
    rates = [];
  }
  shape = next;
  find('about').textContent =
    `${next.version}, Node ${next.node}, ${next.workers} ${next.workers === 1 ? 'worker' : 'workers'}, ` +
    `${next.consumerCount} consumers, since ${new Date(next.startedAtMs).toLocaleString()}`;
  if (percentileChart === null) {
    percentileChart = new PercentileChart(
      find('curves'),
      [
        { label: 'whole', color: '--accent' },
        { label: 'first byte', color: '--good' },
        { label: 'first token', color: '--token' },
        { label: 'per token', color: '--faint' },
        { label: 'added by Weir', color: '--warn' },
      ],
      next.percentiles,
    );
  }
}

function takeHistory(history: readonly LiveSample[]): void {
  samples = [];
  rates = [];
  for (const sample of history) keep(sample);
}

function keep(sample: LiveSample): void {
  const before = samples.at(-1);
  const rate = before === undefined ? null : compare(before, sample);
  if (rate !== null) rates.push(rate);
  samples.push(sample);
  if (samples.length > KEPT_MAX) samples.shift();
  if (rates.length > KEPT_MAX) rates.shift();
}

function takeSample(sample: LiveSample): void {
  keep(sample);
  if (!isPaused) draw(sample);
}

function draw(sample: LiveSample): void {
  if (shape === null) return;
  drawTiles(sample);
  drawCharts(sample, shape);
  drawTables(sample, shape);
}

function drawTiles({ totals, duration, added }: LiveSample): void {
  const rate = rates.at(-1);
  const tiles: readonly (readonly [name: string, value: string])[] = [
    ['Requests/s', rate === undefined ? '–' : formatCount(rate.requests)],
    ['In flight', formatCount(totals.inFlight)],
    ['Connections', formatCount(totals.connections)],
    ['Answer tokens/s', rate === undefined ? '–' : formatCount(rate.outputTokens)],
    ['US dollars/h', rate === undefined ? '–' : formatDollars(rate.dollarsPerHour)],
    ['Refused/s', rate === undefined ? '–' : formatCount(rate.refused)],
    ['Duration p50', at(duration, 50)],
    ['Duration p99', at(duration, 99)],
    ['Added by Weir p50', at(added, 50)],
    ['Added by Weir p99', at(added, 99)],
    ['Memory', formatBytes(totals.memory)],
    ['Exchanges', formatCount(totals.exchanges)],
  ];
  find('tiles').replaceChildren(
    ...tiles.map(([name, value]) => {
      const tile = document.createElement('div');
      tile.className = 'tile';
      const label = document.createElement('span');
      label.textContent = name;
      const figure = document.createElement('strong');
      figure.textContent = value;
      tile.append(label, figure);
      return tile;
    }),
  );
}

function at(curve: LiveSample['duration'], percentile: number): string {
  const place = shape?.percentiles.indexOf(percentile) ?? -1;
  return curve === null || place < 0 ? '–' : formatMs(curve.values[place] ?? 0);
}

function drawCharts(sample: LiveSample, { heatBoundsMs }: LiveShape): void {
  const { duration, firstByte, firstToken, outputToken, added } = sample;
  const seconds = rates.map(({ atMs }) => atMs / 1000);
  const column = (pick: (rate: Rates) => number): number[] => rates.map(pick);
  charts.requests.show(seconds, [
    column(({ requests }) => requests),
    column(({ refused }) => refused),
    column(({ clientErrors }) => clientErrors),
    column(({ serverErrors }) => serverErrors),
  ]);
  charts.tokens.show(seconds, [
    column(({ inputTokens }) => inputTokens),
    column(({ outputTokens }) => outputTokens),
  ]);
  charts.money.show(seconds, [column(({ dollarsPerHour }) => dollarsPerHour)]);
  charts.flight.show(seconds, [column(({ inFlight }) => inFlight)]);
  percentileChart?.show([
    duration?.values ?? null,
    firstByte?.values ?? null,
    firstToken?.values ?? null,
    outputToken?.values ?? null,
    added?.values ?? null,
  ]);
  drawHeat(
    heat,
    rates.map((rate) => rate.heat),
    KEPT_MAX,
    heatBoundsMs,
  );
}

const TONES = { closed: 'good', 'half-open': 'warn', open: 'bad', drained: 'warn' } as const;

function drawTables(sample: LiveSample, { routes, providers }: LiveShape): void {
  const before = samples.at(-1 - TABLE_SAMPLES) ?? samples[0] ?? sample;
  tables.routes.show(
    compareRoutes(before, sample).map((rate, index): Cell[] => {
      const target = sample.targets[index];
      const answers = sample.routes[index]?.statuses.reduce((sum, count) => sum + count, 0) ?? 0;
      return [
        { text: routes[index]?.model ?? '' },
        { text: routes[index]?.provider ?? '' },
        {
          text: target?.state ?? '',
          tone: target === undefined ? undefined : TONES[target.state],
          title: target?.words ?? '',
        },
        { text: formatCount(rate.requests), order: rate.requests },
        {
          text: formatCount(rate.errors),
          order: rate.errors,
          tone: rate.errors > 0 ? 'bad' : undefined,
        },
        { text: formatCount(rate.inputTokens), order: rate.inputTokens },
        { text: formatCount(rate.outputTokens), order: rate.outputTokens },
        { text: formatDollars(rate.dollarsPerHour), order: rate.dollarsPerHour },
        { text: formatCount(answers), order: answers },
      ];
    }),
  );
  if (find<HTMLInputElement>('consumer').value === '') tables.limits.show(describe(sample.limits));
  tables.providers.show(
    sample.providers.map((provider, index): Cell[] => [
      { text: providers[index] ?? '' },
      { text: formatCount(provider.connections), order: provider.connections },
      { text: formatCount(provider.queue), order: provider.queue },
      { text: formatCount(provider.rejected), order: provider.rejected },
    ]),
  );
  const seconds = Math.max((sample.atMs - before.atMs) / 1000, 1);
  tables.workers.show(
    sample.workers.map((worker, index): Cell[] => {
      const old = before.workers[index]?.exchanges;
      const perSecond = old === undefined ? 0 : Math.max(0, worker.exchanges - old) / seconds;
      return [
        { text: String(index), order: index },
        { text: old === undefined ? '–' : formatCount(perSecond), order: perSecond },
        { text: formatCount(worker.inFlight), order: worker.inFlight },
        { text: formatCount(worker.connections), order: worker.connections },
      ];
    }),
  );
}

function describe(limits: readonly LiveLimit[]): Cell[][] {
  return limits.map(({ consumer, limit, kind, level, capacity, held, refused }): Cell[] => {
    const write = kind === 'cost' ? formatDollars : formatCount;
    const share = capacity > 0 ? Math.max(0, Math.min(1, level / capacity)) : 0;
    return [
      { text: consumer },
      { text: describeLimit(limit), title: limit },
      { text: write(Math.max(0, level)), order: share, share },
      { text: write(capacity), order: capacity },
      { text: write(held), order: held },
      { text: formatCount(refused), order: refused, tone: refused > 0 ? 'warn' : undefined },
    ];
  });
}

/** A consumer that is not among those nearest to empty is asked for by name. */
async function showConsumer(name: string): Promise<void> {
  const query = new URLSearchParams({ consumer: name });
  const response = await fetch(`/api/limits?${query}`, { headers: authorize() });
  const answer = (await response.json()) as {
    readonly limits?: readonly LiveLimit[];
    readonly nearest?: readonly string[];
  };
  const input = find<HTMLInputElement>('consumer');
  input.setCustomValidity(
    response.ok ? '' : `no such consumer; nearest: ${(answer.nearest ?? []).join(', ') || 'none'}`,
  );
  input.reportValidity();
  tables.limits.show(describe(answer.limits ?? []));
}

find('search').addEventListener('submit', (event) => {
  event.preventDefault();
  const { value } = find<HTMLInputElement>('consumer');
  if (value !== '') void showConsumer(value);
});
find('consumer').addEventListener('input', () => {
  find<HTMLInputElement>('consumer').setCustomValidity('');
});

find('pause').addEventListener('click', () => {
  isPaused = !isPaused;
  const button = find<HTMLButtonElement>('pause');
  button.setAttribute('aria-pressed', String(isPaused));
  button.textContent = isPaused ? 'Go on' : 'Pause';
});

const THEME_KEY = 'weir-theme';
const isSystemDark = window.matchMedia('(prefers-color-scheme: dark)');

function applyTheme(): void {
  const theme = localStorage.getItem(THEME_KEY) ?? (isSystemDark.matches ? 'dark' : 'light');
  document.documentElement.dataset['theme'] = theme;
  for (const chart of Object.values(charts)) chart.redraw();
  percentileChart?.redraw();
}

find('theme').addEventListener('click', () => {
  const isDark = document.documentElement.dataset['theme'] === 'dark';
  localStorage.setItem(THEME_KEY, isDark ? 'light' : 'dark');
  applyTheme();
});
isSystemDark.addEventListener('change', applyTheme);
applyTheme();

function askToken(isWrong: boolean): Promise<string> {
  find('main').hidden = true;
  const form = find<HTMLFormElement>('login');
  form.hidden = false;
  find('login-problem').textContent = isWrong ? 'That token is not accepted.' : '';
  find<HTMLInputElement>('token').focus();
  return new Promise((resolve) => {
    const onSubmit = (event: SubmitEvent): void => {
      event.preventDefault();
      form.hidden = true;
      find('main').hidden = false;
      resolve(find<HTMLInputElement>('token').value);
    };
    form.addEventListener('submit', onSubmit, { once: true });
  });
}

new ExchangeTables(
  find<HTMLTableElement>('failed-table'),
  find<HTMLTableElement>('slow-table'),
).follow(() => isPaused);

void readLive({
  onShape: takeShape,
  onHistory: takeHistory,
  onSample: takeSample,
  onState: (state, words) => {
    const status = find('status');
    status.dataset['state'] = state;
    status.textContent = words;
  },
  askToken,
});

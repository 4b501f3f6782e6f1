/** The curves, drawn by uPlot, and the heat map, drawn by hand because it is nothing but rectangles. */
import uPlot from '/dashboard/uplot.js';
import { formatMs } from './numbers.js';

export interface Line {
  readonly label: string;
  readonly color: string;
  readonly isFilled?: boolean;
}

const HEIGHT_PX = 170;

function readColor(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function axis(formatValue: (value: number) => string): uPlot.Axis {
  return {
    stroke: () => readColor('--faint'),
    grid: { stroke: () => readColor('--line'), width: 1 },
    ticks: { show: false },
    size: 56,
    // A split that a filter took out comes as null, whatever the types say.
    values: (_plot, splits: (number | null)[]) =>
      splits.map((value) => (value === null ? '' : formatValue(value))),
  };
}

/** Keeps a plot as wide as the place it has. */
function fit(plot: uPlot, place: HTMLElement): uPlot {
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: HEIGHT_PX })).observe(
    place,
  );
  return plot;
}

export class TimeChart {
  readonly #plot: uPlot;

  constructor(place: HTMLElement, lines: readonly Line[], formatValue: (value: number) => string) {
    const options: uPlot.Options = {
      width: place.clientWidth,
      height: HEIGHT_PX,
      cursor: { y: false },
      scales: { y: { range: (_plot, _min, max) => [0, Math.max(max * 1.05, 1e-3)] } },
      axes: [
        {
          ...axis(String),
          size: 30,
          space: 70,
          values: (_plot, splits) => splits.map(formatClock),
        },
        axis(formatValue),
      ],
      series: [
        { value: (_plot, value) => (value === null ? '' : formatClock(value)) },
        ...lines.map(({ label, color, isFilled }): uPlot.Series => {
          return {
            label,
            stroke: () => readColor(color),
            width: 1.5,
            ...(isFilled === true ? { fill: () => `${readColor(color)}22` } : {}),
            points: { show: false },
            value: (_plot, value) => (value === null ? '–' : formatValue(value)),
          };
        }),
      ],
    };
    this.#plot = fit(new uPlot(options, [[], ...lines.map(() => [])], place), place);
  }

  /** @param seconds Unix time, ascending. */
  show(seconds: readonly number[], values: readonly (readonly (number | null)[])[]): void {
    this.#plot.setData([Array.from(seconds), ...values.map((line) => Array.from(line))]);
  }

  redraw(): void {
    this.#plot.redraw();
  }
}

/** Milliseconds over percentiles, as HDR histograms are shown: each nine takes the same room. */
export class PercentileChart {
  readonly #plot: uPlot;
  readonly #places: readonly number[];

  constructor(place: HTMLElement, lines: readonly Line[], percentiles: readonly number[]) {
    // The last one, 100 %, would lie at infinity.
    this.#places = percentiles.map((percentile, index) =>
      percentile < 100
        ? -Math.log10(1 - percentile / 100)
        : -Math.log10(1 - (percentiles[index - 1] ?? 0) / 100) + 0.5,
    );
    const labels = percentiles.map((percentile) => (percentile === 100 ? 'max' : `p${percentile}`));
    // p50, p75 and p90 lie close together.
    const written = labels.map((label) => (label === 'p75' || label === 'p95' ? '' : label));
    const places = this.#places;
    const options: uPlot.Options = {
      width: place.clientWidth,
      height: HEIGHT_PX,
      scales: {
        x: { time: false, range: [places[0] ?? 0, places.at(-1) ?? 1] },
        y: { distr: 3, log: 10 },
      },
      axes: [
        {
          ...axis(String),
          size: 30,
          splits: () => Array.from(places),
          values: () => written,
        },
        {
          ...axis((value) => formatMs(value)),
          filter: (_plot, splits) => splits.map((value) => (isPowerOfTen(value) ? value : null)),
        },
      ],
      series: [
        { value: (_plot, value) => (value === null ? '' : (labels[places.indexOf(value)] ?? '')) },
        ...lines.map(({ label, color }): uPlot.Series => {
          return {
            label,
            stroke: () => readColor(color),
            width: 1.5,
            value: (_plot, value) => (value === null ? '–' : formatMs(value)),
          };
        }),
      ],
    };
    this.#plot = fit(new uPlot(options, [[], ...lines.map(() => [])], place), place);
  }

  show(curves: readonly (readonly number[] | null)[]): void {
    const data = curves.map((curve) =>
      this.#places.map((_, index) => (curve === null ? null : Math.max(curve[index] ?? 0, 0.001))),
    );
    this.#plot.setData([Array.from(this.#places), ...data]);
  }

  redraw(): void {
    this.#plot.redraw();
  }
}

function isPowerOfTen(value: number): boolean {
  const power = Math.log10(value);
  return Math.abs(power - Math.round(power)) < 1e-9;
}

function formatClock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });
}

const LABEL_PX = 52;

/** @param columns the newest last; each the counts by row. */
export function drawHeat(
  canvas: HTMLCanvasElement,
  columns: readonly (readonly number[])[],
  columnsMax: number,
  boundsMs: readonly number[],
): void {
  const scale = window.devicePixelRatio;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext('2d');
  if (context === null || boundsMs.length === 0) return;
  context.scale(scale, scale);
  const rowPx = height / boundsMs.length;
  const columnPx = (width - LABEL_PX) / columnsMax;
  const most = Math.max(1, ...columns.map((column) => Math.max(0, ...column)));
  const heat = readColor('--heat');
  const first = columnsMax - columns.length;
  columns.forEach((column, index) => {
    column.forEach((count, row) => {
      if (count === 0) return;
      // By the logarithm: one slow exchange among thousands must be seen.
      const shade = 0.15 + (0.85 * Math.log1p(count)) / Math.log1p(most);
      context.fillStyle = `rgba(${heat}, ${shade})`;
      const x = LABEL_PX + (first + index) * columnPx;
      context.fillRect(x, height - (row + 1) * rowPx, Math.max(columnPx, 1), rowPx - 0.5);
    });
  });
  context.fillStyle = readColor('--faint');
  context.font = '10px system-ui, sans-serif';
  context.textAlign = 'right';
  context.textBaseline = 'middle';
  boundsMs.forEach((bound, row) => {
    if (row % 2 === 0)
      context.fillText(formatMs(bound), LABEL_PX - 6, height - (row + 0.5) * rowPx);
  });
}

/** The plots of the report, as small SVG files written by hand: no library is needed for lines and bars. */

const WIDTH = 760;
const HEIGHT = 420;
const LEFT = 84;
const RIGHT = 24;
const TOP = 76;
const BOTTOM = 56;

const COLOURS = /** @type {Record<string, string>} */ ({
  weir: '#1d4ed8',
  'weir-base': '#93c5fd',
  nginx: '#15803d',
  direct: '#6b7280',
});
const OTHER_COLOURS = ['#b45309', '#9333ea', '#be123c', '#0e7490', '#4d7c0f', '#334155'];

/** @param {string} name @param {number} index */
function chooseColour(name, index) {
  return COLOURS[name] ?? OTHER_COLOURS[index % OTHER_COLOURS.length] ?? '#000000';
}

/** @param {string} text */
function escapeText(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

/** @param {number} x @param {number} y @param {string} text @param {string} [more] attributes */
function renderLabel(x, y, text, more = '') {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${escapeText(text)}</text>`;
}

/** @param {string} title @param {number} height @param {string[]} parts */
function renderSvg(title, height, parts) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="system-ui, sans-serif" font-size="13" fill="#1f2937">
<title>${escapeText(title)}</title>
<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>
${renderLabel(LEFT, 26, title, 'font-size="16" font-weight="600"')}
${parts.join('\n')}
</svg>
`;
}

/** @param {number} us */
function formatTime(us) {
  if (us >= 1e6) return `${us / 1e6} s`;
  return us >= 1000 ? `${us / 1000} ms` : `${us} µs`;
}

/**
 * Latency over percentile, both on logarithmic axes: each nine takes the same width, so that the tail, which is what
 * such a plot is for, is not squeezed into the last pixel.
 * @param {string} title
 * @param {Record<string, import('./load.js').Curve>} curves
 */
export function renderPercentilePlot(title, curves) {
  const shown = Object.entries(curves).map(([name, points]) => ({
    name,
    points: points.filter(([oneOf, us]) => oneOf >= 1.5 && us > 0),
  }));
  const all = shown.flatMap(({ points }) => points);
  const right = Math.max(2, ...all.map(([oneOf]) => Math.log10(oneOf)));
  const bottom = Math.floor(Math.log10(Math.min(...all.map(([, us]) => us))));
  const top = Math.ceil(Math.log10(Math.max(...all.map(([, us]) => us))));
  const left = Math.log10(1.5);
  const x = (/** @type {number} */ oneOf) =>
    LEFT + ((Math.log10(oneOf) - left) / (right - left)) * (WIDTH - LEFT - RIGHT);
  const y = (/** @type {number} */ us) =>
    HEIGHT - BOTTOM - ((Math.log10(us) - bottom) / (top - bottom)) * (HEIGHT - TOP - BOTTOM);

  const parts = [];
  for (let decade = bottom; decade <= top; decade++)
    for (const step of decade === top ? [1] : [1, 2, 5]) {
      const at = y(10 ** decade * step);
      const colour = step === 1 ? '#d1d5db' : '#f3f4f6';
      parts.push(
        `<path d="M${LEFT} ${at.toFixed(1)}H${WIDTH - RIGHT}" stroke="${colour}"/>`,
        renderLabel(LEFT - 8, at + 4, formatTime(10 ** decade * step), 'text-anchor="end"'),
      );
    }
  const ticks = [2, 10, 100, 1000, 10_000, 100_000].filter((oneOf) => Math.log10(oneOf) <= right);
  for (const oneOf of ticks) {
    const at = x(oneOf);
    parts.push(
      `<path d="M${at.toFixed(1)} ${TOP}V${HEIGHT - BOTTOM}" stroke="#d1d5db"/>`,
      renderLabel(
        at,
        HEIGHT - BOTTOM + 18,
        `${Number((100 - 100 / oneOf).toFixed(6))} %`,
        'text-anchor="middle"',
      ),
    );
  }
  parts.push(
    renderLabel((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, 'percentile', 'text-anchor="middle"'),
  );
  shown.forEach(({ name, points }, index) => {
    const colour = chooseColour(name, index);
    const path = points.map(
      ([oneOf, us], i) => `${i === 0 ? 'M' : 'L'}${x(oneOf).toFixed(1)} ${y(us).toFixed(1)}`,
    );
    const legend = LEFT + index * 120;
    parts.push(
      `<path d="${path.join('')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      `<path d="M${legend} 50h22" stroke="${colour}" stroke-width="3"/>`,
      renderLabel(legend + 28, 54, name),
    );
  });
  return renderSvg(title, HEIGHT, parts);
}

/**
 * A bar for each contender, with a line from the smallest to the largest round.
 * @param {string} title
 * @param {string} unit
 * @param {Record<string, import('./statistics.js').Spread>} figures
 */
export function renderBarPlot(title, unit, figures) {
  const rows = Object.entries(figures);
  const left = 130;
  const right = 110;
  const step = 40;
  const largest = Math.max(...rows.map(([, { max }]) => max));
  const x = (/** @type {number} */ value) => left + (value / largest) * (WIDTH - left - right);
  const parts = rows.flatMap(([name, { median, min, max }], index) => {
    const at = 48 + index * step;
    const middle = at + 13;
    return [
      renderLabel(left - 10, at + 18, name, 'text-anchor="end"'),
      `<rect x="${left}" y="${at}" width="${(x(median) - left).toFixed(1)}" height="26" fill="${chooseColour(name, index)}"/>`,
      `<path d="M${x(min).toFixed(1)} ${middle}H${x(max).toFixed(1)}M${x(min).toFixed(1)} ${middle - 5}v10M${x(max).toFixed(1)} ${middle - 5}v10" stroke="#111827" fill="none"/>`,
      renderLabel(x(max) + 10, at + 18, `${median.toPrecision(3)} ${unit}`),
    ];
  });
  return renderSvg(title, 48 + rows.length * step + 12, parts);
}

/** What the bars of these scenarios show: the headline. */
const BARS = /** @type {Record<string, string>} */ ({
  json: 'CPU per request',
  sse: 'CPU per event',
});

/**
 * @param {import('./scenarios/context.js').ScenarioResult} result
 * @returns {{ file: string, title: string, svg: string }[]}
 */
export function renderPlots({ name, lines, plots = [] }) {
  const bar = lines.find(({ what }) => what === BARS[name]);
  const bars =
    bar === undefined ? [] : [{ file: `${name}-cpu.svg`, title: `${name}: ${bar.what}` }];
  return [
    ...bars.map(({ file, title }) => ({
      file,
      title,
      svg: renderBarPlot(title, bar?.unit ?? '', bar?.figures ?? {}),
    })),
    ...plots.map(({ file, title, curves }) => ({
      file,
      title,
      svg: renderPercentilePlot(title, curves),
    })),
  ];
}

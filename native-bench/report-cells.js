/** What stands in the rows of the report, as text. */

/** @typedef {import('./scenarios/context.js').ScenarioResult} ScenarioResult */
/** @typedef {import('./scenarios/context.js').Judged} Judged */
/** @typedef {import('./statistics.js').Spread} Spread */

/** What has no unit is counted, so it is whole. @param {number} value @param {string} unit */
function formatNumber(value, unit) {
  const size = Math.abs(value);
  const digits = unit === '' || size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** @param {Spread} spread @param {string} unit */
export function formatSpread({ median, min, max }, unit) {
  const suffix = unit === '' ? '' : unit === 'x' ? 'x' : ` ${unit}`;
  return `${formatNumber(median, unit)}${suffix} (${formatNumber(min, unit)}–${formatNumber(max, unit)})`;
}

/** @param {Judged} judged */
export function judgedCells({ what, figure, unit, bound, verdict }) {
  const limit = `≤ ${formatNumber(bound, unit)}${unit === '' || unit === 'x' ? unit : ` ${unit}`}`;
  return [what, formatSpread(figure, unit), limit, verdict];
}

export const JUDGED_HEAD = ['what', 'median (min–max)', 'bound', 'verdict'];

/** @param {ScenarioResult} result */
export function figureRows({ lines }) {
  return lines.flatMap(({ what, unit, figures }) =>
    Object.entries(figures).map(([name, spread]) => [
      what,
      name,
      formatSpread(spread, unit),
      String(spread.values.length),
    ]),
  );
}

export const FIGURE_HEAD = ['what', 'proxy', 'median (min–max)', 'rounds'];

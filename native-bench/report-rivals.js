/** What others do better than Weir, read off the figures, so that nobody has to be willing to say it. */
import { formatSpread } from './report-cells.js';

/** Of these more is better; of times, memory and CPU less is. */
const MORE_IS_BETTER = /per second|stall-free/;
/** A ratio to nginx says again what the figure above it said, and how busy a core is nothing about good and bad. */
const SAYS_NOTHING = /ratio|of its core used|after closing/;
/** Not a rival: the mocks without a proxy, and Weir itself. */
const NO_RIVAL = /^(direct|wiremock|weir)\b/;
/** Two medians that lie closer than this are the same. */
const SAME = 0.03;

export const BETTER_HEAD = ['what', 'who', 'theirs, median (min–max)', 'Weir’s'];

/** @param {import('./scenarios/context.js').ScenarioResult} result @returns {string[][]} */
export function listBetter({ lines }) {
  return lines
    .filter(({ what, unit }) => unit !== 'x' && !SAYS_NOTHING.test(what))
    .flatMap(({ what, unit, figures }) =>
      Object.entries(figures).flatMap(([name, theirs]) => {
        // "nginx x8" is compared with "weir x8".
        const space = name.indexOf(' ');
        const ours = figures[`weir${space < 0 ? '' : name.slice(space)}`];
        if (ours === undefined || NO_RIVAL.test(name)) return [];
        const lead = theirs.median - ours.median;
        const isBetter = MORE_IS_BETTER.test(what) ? lead > 0 : lead < 0;
        if (!isBetter || Math.abs(lead) <= SAME * Math.abs(ours.median)) return [];
        return [[what, name, formatSpread(theirs, unit), formatSpread(ours, unit)]];
      }),
    );
}

/** The mock without a proxy, as one more contender: what a load reads there is its own, and not added by a proxy. */
import { spreadOf } from '../statistics.js';

export const DIRECT = 'direct';

/**
 * @param {import('./context.js').Context} context
 * @param {import('./interleave.js').Running[]} running
 * @returns {import('./interleave.js').Running[]}
 */
export function addDirect({ mockPort, mockPid }, running) {
  // Whoever started the mock stops it.
  const proxy = { port: mockPort, pid: mockPid, stop: () => Promise.resolve() };
  return [{ name: DIRECT, proxy }, ...running];
}

/**
 * What each proxy adds to a figure, round by round. Of percentiles this is not the percentile of what was added to each
 * request, which nobody can see from outside; it is what whoever measures both ways would read off.
 * @param {Record<string, number[]>} values
 */
export function listDifferences(values) {
  const { [DIRECT]: direct = [], ...others } = values;
  return Object.fromEntries(
    Object.entries(others).map(([name, all]) => [
      name,
      spreadOf(all.map((value, i) => value - (direct[i] ?? Number.NaN))),
    ]),
  );
}

/**
 * One curve for each contender: at every point the median of the rounds, as far as all of them reach.
 * @template T
 * @param {Record<string, T[]>} rounds
 * @param {(measured: T) => import('../load.js').Curve} pick
 * @returns {Record<string, import('../load.js').Curve>}
 */
export function mergeCurves(rounds, pick) {
  return Object.fromEntries(
    Object.entries(rounds).map(([name, all]) => {
      const curves = all.map(pick);
      const length = Math.min(...curves.map((curve) => curve.length));
      const points = (curves[0] ?? []).slice(0, length).map(([oneOf], i) => {
        const values = curves.map((curve) => curve[i]?.[1] ?? Number.NaN);
        return /** @type {[number, number]} */ ([oneOf, spreadOf(values).median]);
      });
      return [name, points];
    }),
  );
}

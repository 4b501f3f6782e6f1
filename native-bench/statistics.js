/** Of a handful of rounds: the median, and how far they lay apart. No means, because one disturbed round would move them. */

/** @typedef {{ median: number, min: number, max: number, values: number[] }} Spread */

/** @param {number[]} values @returns {Spread} */
export function spreadOf(values) {
  if (values.length === 0) throw new Error('no values');
  const sorted = [...values].sort((a, b) => a - b);
  const at = (/** @type {number} */ index) => sorted[index] ?? Number.NaN;
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
  return { median, min: at(0), max: at(sorted.length - 1), values };
}

/**
 * Divided round by round, not median by median: the two of a pair ran within seconds of each other and
 * met the same neighbours on the machine.
 * @param {number[]} numerators
 * @param {number[]} denominators
 */
export function spreadOfRatios(numerators, denominators) {
  return spreadOf(numerators.map((value, i) => value / (denominators[i] ?? Number.NaN)));
}

/**
 * One figure of every round, per contender.
 * @template T
 * @param {Record<string, T[]>} rounds
 * @param {(measured: T) => number} pick
 * @returns {Record<string, number[]>}
 */
export function pickPerContender(rounds, pick) {
  return Object.fromEntries(Object.entries(rounds).map(([name, all]) => [name, all.map(pick)]));
}

/** @param {Record<string, number[]>} values @returns {Record<string, Spread>} */
export function spreadPerContender(values) {
  return Object.fromEntries(Object.entries(values).map(([name, all]) => [name, spreadOf(all)]));
}

/**
 * Every contender's ratio to nginx, from the same figure of every round.
 * @param {Record<string, number[]>} values
 * @returns {Record<string, Spread>}
 */
export function ratiosToNginx(values) {
  const { nginx = [], ...others } = values;
  return Object.fromEntries(
    Object.entries(others).map(([name, all]) => [name, spreadOfRatios(all, nginx)]),
  );
}

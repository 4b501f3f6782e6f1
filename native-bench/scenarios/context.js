/**
 * What every scenario is given.
 * @typedef {object} Context
 * @property {import('../options.js').Options} options
 * @property {{ proxy: number, load: number }} cores
 * @property {number} mockPort
 * @property {import('../proxies.js').Contender[]} contenders nginx first, then Weir, then the older Weir
 * @property {(text: string) => void} say progress, for whoever watches
 */

/**
 * One line of the table: what was measured, per contender.
 * @typedef {object} Line
 * @property {string} what
 * @property {string} unit
 * @property {Record<string, import('../statistics.js').Spread>} figures by contender
 */

/**
 * A figure that has a bound.
 * @typedef {object} Judged
 * @property {string} what
 * @property {import('../statistics.js').Spread} figure
 * @property {string} unit
 * @property {number} bound
 * @property {'holds' | 'within noise' | 'fails'} verdict
 */

/** @typedef {{ name: import('../options.js').ScenarioName, how: string, lines: Line[], judged: Judged[], raw: unknown }} ScenarioResult */

/** The bounds of the first milestone; each is judged by the median. */
export const BOUNDS = {
  jsonRatio: 2.4,
  sseRatio: 1.7,
  workersQuotient: 1,
  idleStreamKb: 40,
  readyMs: 1000,
};

/**
 * @param {string} what
 * @param {import('../statistics.js').Spread | undefined} figure
 * @param {string} unit
 * @param {number} bound
 * @returns {Judged}
 */
export function judge(what, figure, unit, bound) {
  if (figure === undefined) throw new Error(`${what}: not measured`);
  return { what, figure, unit, bound, verdict: figure.median <= bound ? 'holds' : 'fails' };
}

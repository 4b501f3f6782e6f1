/**
 * What every scenario is given.
 * @typedef {object} Context
 * @property {import('../options.js').Options} options
 * @property {{ proxy: number, load: number, rest: string }} cores
 * @property {number} mockPort
 * @property {number} mockPid
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

/**
 * A percentile plot; the SVG is written when the report is.
 * @typedef {object} Plot
 * @property {string} kind
 * @property {string} file
 * @property {string} title
 * @property {Record<string, import('../load.js').Curve>} curves by contender
 */

/**
 * @typedef {object} ScenarioResult
 * @property {import('../options.js').ScenarioName} name
 * @property {string} how
 * @property {Line[]} lines
 * @property {Judged[]} judged
 * @property {Plot[]} [plots]
 * @property {unknown} raw
 */

/** The bounds; each is judged by the median, what has to be exact by the worst round. */
export const BOUNDS = {
  jsonRatio: 1.35,
  sseRatio: 1.2,
  openLoopP50Ratio: 1.2,
  openLoopP99Ratio: 1.5,
  addedEventDelayUs: 1000,
  workersQuotient: 1,
  idleStreamKb: 24,
  readyMs: 1000,
  overdrawnUnits: 0,
  unusedPercent: 1,
  requestsOff: 0,
  reservationNs: 1000,
  contendedReservationNs: 3000,
  /** No slower: two equal gateways beside each other differ by 2 to 7 % in such a run. */
  manyConsumersRatio: 1.05,
  tableMb: 64,
  policiesRatio: 1.15,
  targetsRatio: 1.05,
  seeingJsonRatio: 1.08,
  seeingSseRatio: 1.03,
  /** None added: what the same gateway differs by from round to round. */
  seeingP99Ratio: 1.05,
  dashboardsWorkerRatio: 1.02,
  allPoliciesJsonRatio: 1.6,
  allPoliciesSseRatio: 1.25,
  portkeySharePercent: 4,
  litellmSharePercent: 1,
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

/**
 * The same for what no single round may miss.
 * @param {string} what
 * @param {import('../statistics.js').Spread} figure
 * @param {string} unit
 * @param {number} bound
 * @returns {Judged}
 */
export function judgeWorst(what, figure, unit, bound) {
  return { what, figure, unit, bound, verdict: figure.max <= bound ? 'holds' : 'fails' };
}

/**
 * "No slower" compares two noisy figures, which differ by a few percent even when nothing differs. When the rounds
 * fall on both sides of the bound, this run cannot tell them apart, and says so.
 * @param {Judged} judged
 * @returns {Judged}
 */
export function allowNoise(judged) {
  const isUnclear = judged.verdict === 'fails' && judged.figure.min <= judged.bound;
  return isUnclear ? { ...judged, verdict: 'within noise' } : judged;
}

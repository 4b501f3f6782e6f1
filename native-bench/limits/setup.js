/** What the measurements of the limit table share: the built modules of a checkout, plans, need. */
import { buildModules } from '../modules.js';

/** @param {string} directory a checkout in which `npm ci` has been run */
export async function loadLimits(directory) {
  const load = buildModules(directory);
  return {
    ...(await load('limits/plan.js')),
    ...(await load('limits/table.js')),
    ...(await load('limits/ledger.js')),
    ...(await load('core/clock.js')),
    ...(await load('primary/compiler.js').catch(() => ({ widenInlining() {} }))),
  };
}

const metered = { models: null, enforce: 'request' };
const MINUTE_MS = 60_000;

/** Three limits so wide that nobody is refused: what is measured is counting, not refusing. */
export const WIDE_LIMITS = [
  { kind: 'requests', amount: 1e9, perMs: MINUTE_MS, burst: 1e9, ...metered },
  { kind: 'tokens', amount: 1e9, perMs: MINUTE_MS, burst: 1e12, ...metered },
  { kind: 'cost', amount: 1e6, perMs: 86_400_000, burst: 1e6, ...metered },
];

/** Refuses most of what the exactness run asks for. */
export const NARROW_LIMITS = /** @type {const} */ ([
  { kind: 'tokens', amount: 600_000, perMs: MINUTE_MS, burst: 20_000, ...metered },
]);

/** @param {number} count @param {readonly object[]} limits */
export function makeConsumers(count, limits) {
  return Array.from({ length: count }, (_, index) => ({
    name: `consumer-${index}`,
    keyDigests: [],
    tier: null,
    limits,
  }));
}

export const NEED = { requests: 1, inputTokens: 400, outputTokens: 200, costNanoDollars: 4000 };
export const USED = { inputTokens: 400, outputTokens: 150, costNanoDollars: 3500 };

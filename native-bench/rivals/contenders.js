/** Who takes part: nginx and Weir always, each rival where it can be had. Whoever cannot is named, with the reason. */
import { OPENAI_CALL } from '../load.js';
import { agentgateway } from './agentgateway.js';
import { bifrost } from './bifrost.js';
import { LeftOutError } from './cache.js';
import { haproxy } from './haproxy.js';
import { kong } from './kong.js';
import { litellm } from './litellm.js';
import { portkey } from './portkey.js';
import { shorten } from './turns.js';

/** @typedef {import('./rival.js').Rival} Rival */
/** @typedef {{ rival: Rival, version: string, proxy: import('../proxies.js').Proxy, mayFail: boolean }} Started */
/** @typedef {{ name: string, reason: string }} LeftOut */

const RIVALS = [haproxy, portkey, litellm, bifrost, kong, agentgateway];

/** The contenders of the other scenarios, as rivals. @param {import('../scenarios/context.js').Context} context @returns {Rival[]} */
function listOwn({ contenders }) {
  return contenders.map(({ name, start }) => ({
    name,
    start,
    findVersion: () => '',
    call: () => OPENAI_CALL,
    answer: 'as it is',
    connections: 64,
    streams: 100,
    isSlow: false,
  }));
}

/**
 * Starts all that can be started. nginx and Weir have to; a rival that fails costs the report a line and not the run.
 * @param {import('../scenarios/context.js').Context} context
 * @param {import('../proxies.js').Setup} setup
 * @returns {Promise<{ started: Started[], leftOut: LeftOut[] }>}
 */
export async function startAll(context, setup) {
  const { options, say } = context;
  /** @type {Started[]} */
  const started = [];
  /** @type {LeftOut[]} */
  const leftOut = [];
  for (const rival of listOwn(context))
    started.push({ rival, version: '', proxy: await rival.start(setup), mayFail: false });
  for (const rival of RIVALS)
    try {
      if (options.quick && !options.isAsked && rival.isSlow)
        throw new LeftOutError('it is slow, and a quick look has no time for it (--only rivals)');
      const version = rival.findVersion();
      say(`starting ${rival.name} ${version}`);
      started.push({ rival, version, proxy: await rival.start(setup), mayFail: true });
    } catch (error) {
      if (!(error instanceof LeftOutError)) throw error;
      leftOut.push({ name: rival.name, reason: shorten(error.message) });
      say(`LEFT OUT: ${rival.name}, because ${error.message}`);
    }
  return { started, leftOut };
}

/**
 * The sentences of the report on who took part.
 * @param {{ name: string, version: string }[]} present
 * @param {LeftOut[]} leftOut
 */
export function describeTakers(present, leftOut) {
  const versions = present
    .filter(({ version }) => version !== '')
    .map(({ name, version }) => `${name} ${version}`);
  const missing = leftOut.map(({ name, reason }) => `\n**Left out: ${name}**, because ${reason}.`);
  return `Versions: ${versions.join(', ') || 'no rival is here'}; nginx and Weir as under Machine.${missing.join('')}`;
}

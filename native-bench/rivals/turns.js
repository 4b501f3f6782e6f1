/**
 * A B A B … as in the other scenarios, but for contenders of which some may fail: a rival that answers with errors, or
 * ends, in the middle of a run costs the report a line, and not the results of everyone else.
 */
import { startCpuCount } from '../accounting.js';

/** @typedef {import('./contenders.js').Started} Started */
/** @typedef {import('./contenders.js').LeftOut} LeftOut */

/**
 * @template T
 * @param {Started[]} started
 * @param {object} how
 * @param {string} how.what for messages
 * @param {number} how.rounds
 * @param {(one: Started) => Promise<unknown>} how.warm
 * @param {(one: Started) => Promise<T>} how.load
 * @param {(text: string) => void} how.say
 * @returns {Promise<{ rounds: Record<string, (T & { cpuUs: number })[]>, leftOut: LeftOut[] }>} the rounds of all that did not fail
 */
export async function takeTurns(started, { what, rounds, warm, load, say }) {
  /** @type {LeftOut[]} */
  const leftOut = [];
  /** @type {Record<string, (T & { cpuUs: number })[]>} */
  const results = {};
  let remaining = started;
  const attempt = async (
    /** @type {Started} */ one,
    /** @type {() => Promise<unknown>} */ work,
  ) => {
    const { name } = one.rival;
    try {
      await work();
    } catch (error) {
      if (!one.mayFail) throw error;
      const reason = `under this load ${shorten(error instanceof Error ? error.message : String(error))}`;
      say(`LEFT OUT of ${what}: ${name}, because ${reason}`);
      leftOut.push({ name: `${name}, ${what}`, reason });
      remaining = remaining.filter((other) => other !== one);
      delete results[name];
    }
  };

  for (const one of started) {
    say(`${what}: warming ${one.rival.name}`);
    results[one.rival.name] = [];
    await attempt(one, () => warm(one));
  }
  for (let round = 1; round <= rounds; round++) {
    const order = round % 2 === 1 ? remaining : [...remaining].reverse();
    for (const one of order) {
      say(`${what}: round ${round} of ${rounds}: ${one.rival.name}`);
      await attempt(one, async () => {
        const readCpu = startCpuCount(one.proxy.pid);
        const result = await load(one);
        results[one.rival.name]?.push({ ...result, cpuUs: readCpu() });
      });
    }
  }
  return { rounds: results, leftOut };
}

/** @param {string} text one line of it, not too long for a report */
export function shorten(text) {
  const line = text.replaceAll(/\s+/g, ' ').trim().replace(/\.$/, '');
  return line.length > 300 ? `${line.slice(0, 300)} …` : line;
}

/**
 * Kong's published comparison of AI gateways (July 2025) as it was: 400 connections in a closed loop without any pause
 * from k6, a prompt of 4.3 KB, and WireMock with the flags of its chart as the provider.
 *
 * What it can tell is little, and that is why it is here: such a mock costs some 350 µs of CPU a request, more than any
 * proxy does, so that requests per second say how fast WireMock and k6 are, and with 400 requests under way at any
 * time the mean latency is 400 divided by that rate. Beside every gateway stands WireMock without one in front of it,
 * as in the original. The CPU time of the gateway alone is not the mock's; scenario `rivals` has the mock out of the way.
 *
 * Requests of a rival that fail are a figure here and do not end the run, and neither do those of WireMock alone; what
 * failed is left out of the cost. A failed request of nginx or Weir ends the run: whoever cannot answer everything has no
 * cost to compare. With this mock nginx has had some, about one for each connection, and their cause is not known.
 *
 * Unlike there: one worker of each, all on one machine, and every gateway does the same work at its route for chats,
 * where the original asked LiteLLM through another provider format and Portkey at a route that it only passes through.
 */
import { loadRequests } from '../load.js';
import { LeftOutError } from '../rivals/cache.js';
import { describeTakers, startAll } from '../rivals/contenders.js';
import { findK6Version, loadWithK6 } from '../rivals/k6.js';
import { writeRequestFile } from '../rivals/rival.js';
import { takeTurns } from '../rivals/turns.js';
import { wiremock } from '../rivals/wiremock.js';
import { pickPerContender, spreadPerContender } from '../statistics.js';

const CONNECTIONS = 400;
/** A slow gateway's first answer to the last of 400 takes seconds; a run of three minutes each is not what this is for. */
const ROUNDS_MAX = 2;
const SECONDS_MAX = 2;

/** k6 as in the original, else wrk. @param {(text: string) => void} say */
function chooseLoad(say) {
  try {
    return { text: `k6 ${findK6Version()}`, load: loadWithK6, leftOut: [] };
  } catch (error) {
    if (!(error instanceof LeftOutError)) throw error;
    say(`LEFT OUT: k6, because ${error.message}; wrk makes the load`);
    return {
      text: 'wrk in the place of k6',
      load: async (/** @type {Parameters<typeof loadWithK6>[0]} */ given) => ({
        ...(await loadRequests({ ...given, threads: 1 })),
        failedPercent: 0,
      }),
      leftOut: [{ name: 'k6', reason: error.message }],
    };
  }
}

/** @param {string} because @returns {import('./context.js').ScenarioResult} */
function renderNothing(because) {
  return {
    name: 'kong',
    how: `**Left out as a whole**, because ${because}.`,
    lines: [],
    judged: [],
    raw: null,
  };
}

/** @param {import('./context.js').Context} context @returns {Promise<import('./context.js').ScenarioResult>} */
export async function runKong(context) {
  const { options, cores, say } = context;
  if (options.quick && !options.isAsked) {
    say('LEFT OUT: scenario kong, because a quick look has no time for it (--only kong)');
    return renderNothing('a quick look has no time for it; `--only kong` asks for it');
  }
  let version, mock;
  try {
    version = wiremock.findVersion();
    say(`kong: starting WireMock ${version}`);
    mock = await wiremock.start({ mockPort: 0, workers: 1, cpu: cores.rest });
  } catch (error) {
    if (!(error instanceof LeftOutError)) throw error;
    say(`LEFT OUT: scenario kong, because ${error.message}`);
    return renderNothing(`its mock is WireMock, and ${error.message}`);
  }
  const chosen = chooseLoad(say);
  const { started, leftOut } = await startAll(context, {
    mockPort: mock.port,
    workers: 1,
    cpu: cores.proxy,
  });
  try {
    const all = [{ rival: wiremock, version, proxy: mock, mayFail: true }, ...started];
    const load = async (
      /** @type {(typeof all)[number]} */ { rival, proxy, mayFail },
      /** @type {number} */ s,
    ) => {
      const call = rival.call(mock.port);
      const bodyFile = writeRequestFile(rival.name, call.model);
      const shape = { connections: CONNECTIONS, seconds: s, cpu: cores.rest };
      const result = await chosen.load({ port: proxy.port, ...shape, call, bodyFile });
      // Not "above 0": of no requests at all the share is not a number.
      if (!mayFail && result.failedPercent !== 0)
        throw new Error(
          `kong: of ${rival.name}'s requests ${result.failedPercent.toFixed(3)} % failed`,
        );
      return result;
    };
    const { rounds, leftOut: failed } = await takeTurns(all, {
      what: 'kong',
      rounds: options.quick ? 1 : Math.min(options.rounds, ROUNDS_MAX),
      warm: (one) => load(one, SECONDS_MAX),
      load: (one) => load(one, Math.min(options.seconds, SECONDS_MAX)),
      say,
    });
    const spread = (/** @type {(m: any) => number} */ pick) =>
      spreadPerContender(pickPerContender(rounds, pick));
    const present = all.map((one) => ({ name: one.rival.name, version: one.version }));
    return {
      name: 'kong',
      how: `Kong's published comparison as it was: ${CONNECTIONS} connections in a closed loop, load from ${chosen.text}, the provider WireMock with its chart's flags; one worker each, pinned to one core, WireMock and the load on the others (${cores.rest}). "wiremock" is the provider without a gateway, the ceiling of the others' requests per second; with ${CONNECTIONS} requests always under way, latency is only that figure once more. ${describeTakers(present, [...chosen.leftOut, ...leftOut, ...failed])}`,
      lines: [
        { what: 'requests per second', unit: '', figures: spread((m) => m.requestsPerSecond) },
        {
          what: 'CPU per request of this process alone',
          unit: 'µs',
          figures: spread((m) => m.cpuUs / m.requests),
        },
        { what: 'requests that failed', unit: '%', figures: spread((m) => m.failedPercent) },
        { what: 'latency p50', unit: 'ms', figures: spread((m) => m.latencyUs.p50 / 1000) },
        { what: 'latency p99', unit: 'ms', figures: spread((m) => m.latencyUs.p99 / 1000) },
      ],
      judged: [],
      raw: { rounds, leftOut: [...leftOut, ...failed] },
    };
  } finally {
    await Promise.all([mock, ...started.map(({ proxy }) => proxy)].map((proxy) => proxy.stop()));
  }
}

/**
 * TLS as production has it: to the provider, and on both sides. The proxies pay for TLS themselves; the other ends of it
 * are nginx, on the core of the load and not in the figures: one in front of the mock that takes TLS, and, for streams
 * over TLS, one before each proxy that takes the client's clear text and speaks TLS to the proxy. So the load programs, and
 * their comparison of every byte, are the same as without TLS. (wrk speaks TLS itself.)
 */
import { makeCertificates } from '../certificates.js';
import { loadRequests, loadStreams } from '../load.js';
import { nginx } from '../proxies.js';
import { pickPerContender, ratiosToNginx, spreadPerContender } from '../statistics.js';
import { BOUNDS, judge } from './context.js';
import { interleave, warm, withRunning } from './interleave.js';

const CONNECTIONS = 64;
const STREAMS = 200;
const EVENTS = 100;
const GAP_MS = 10;

const VARIANTS = [
  { what: 'TLS to the provider', sides: { upstream: true, listen: false } },
  { what: 'TLS on both sides', sides: { upstream: true, listen: true } },
];

/**
 * @param {import('./context.js').Context} context
 * @param {import('./interleave.js').Running[]} running
 * @param {(port: number, seconds: number) => Promise<{ units: number }>} load
 * @param {Map<string, number>} ports where the load of each contender goes
 * @param {string} kind
 */
async function measure({ options, say }, running, load, ports, kind) {
  const tell = (/** @type {string} */ text) => say(`tls: ${kind}, ${text}`);
  const aim = (/** @type {string} */ name) => ports.get(name) ?? 0;
  for (const each of running)
    await warm(each, async ({ name }) => (await load(aim(name), 1)).units, tell);
  return interleave(
    running,
    options.roundsFew,
    ({ name }) => load(aim(name), options.seconds),
    tell,
  );
}

/**
 * @param {import('./context.js').Context} context
 * @param {(typeof VARIANTS)[number]} variant
 * @param {import('../certificates.js').Certificates} certificates
 */
async function runVariant(context, { what, sides }, certificates) {
  const { cores, mockPort, contenders } = context;
  const load = { workers: 1, cpu: cores.load };
  const serving = { ...certificates, upstream: false, listen: true };
  const provider = {
    name: 'provider',
    start: () => nginx.start({ ...load, mockPort, tls: serving }),
  };
  return withRunning([provider], async ([front]) => {
    const place = { mockPort: front?.proxy.port ?? 0, workers: 1, cpu: cores.proxy };
    const tls = { ...certificates, ...sides };
    const starts = contenders.map(({ name, start }) => ({
      name,
      start: () => start({ ...place, tls }),
    }));
    return withRunning(starts, async (running) => {
      const own = new Map(running.map(({ name, proxy }) => [name, proxy.port]));
      /** @type {'https' | 'http'} */
      const scheme = sides.listen ? 'https' : 'http';
      const askJson = async (/** @type {number} */ port, /** @type {number} */ seconds) => {
        const shape = { connections: CONNECTIONS, threads: 1, scheme };
        const result = await loadRequests({ port, ...shape, seconds, cpu: cores.load });
        return { ...result, units: result.requests };
      };
      const askStreams = async (/** @type {number} */ port, /** @type {number} */ seconds) => {
        const shape = { connections: STREAMS, events: EVENTS, gapMs: GAP_MS };
        const result = await loadStreams({ port, ...shape, seconds, cpu: cores.load });
        return { ...result, units: result.events };
      };
      const json = await measure(context, running, askJson, own, `${what}, JSON`);
      const speaking = { ...certificates, upstream: true, listen: false };
      const clients = running.map(({ name, proxy }) => ({
        name,
        start: () => nginx.start({ ...load, mockPort: proxy.port, tls: speaking }),
      }));
      const sse = await withRunning(sides.listen ? clients : [], (wrapped) => {
        const ports = new Map(wrapped.map(({ name, proxy }) => [name, proxy.port]));
        return measure(context, running, askStreams, sides.listen ? ports : own, `${what}, SSE`);
      });
      return { what, json, sse };
    });
  });
}

/** @param {import('./context.js').Context} context @returns {Promise<import('./context.js').ScenarioResult>} */
export async function runTls(context) {
  const certificates = makeCertificates();
  const measured = [];
  // Both sides is the more of the two, where there is time for one only.
  const variants = context.options.quick ? VARIANTS.slice(-1) : VARIANTS;
  for (const variant of variants) measured.push(await runVariant(context, variant, certificates));
  const compared = measured.flatMap(({ what, json, sse }) =>
    [
      { unit: 'request', rounds: json, bound: BOUNDS.jsonRatio },
      { unit: 'event', rounds: sse, bound: BOUNDS.sseRatio },
    ].map(({ unit, rounds, bound }) => {
      const cpu = pickPerContender(rounds, ({ cpuUs, units }) => cpuUs / units);
      return { name: `${what}, CPU per ${unit}`, cpu, ratios: ratiosToNginx(cpu), bound };
    }),
  );
  return {
    name: 'tls',
    how: `The JSON request on ${CONNECTIONS} kept connections, and ${STREAMS} streams of ${EVENTS} events, ${GAP_MS} ms apart; TLS 1.3, a P-256 certificate that is verified, connections and their TLS kept. The other end of TLS is an nginx on the core of the load. One worker, pinned to one core.`,
    lines: compared.flatMap(({ name, cpu, ratios }) => [
      { what: name, unit: 'µs', figures: spreadPerContender(cpu) },
      { what: `${name}, ratio to nginx`, unit: 'x', figures: ratios },
    ]),
    judged: compared.map(({ name, ratios, bound }) =>
      judge(`${name}, ratio to nginx`, ratios['weir'], 'x', bound),
    ),
    raw: measured,
  };
}

/**
 * The limits: whether they are exact, on the table alone and over sockets; what a reservation and its settlement
 * cost; what 100,000 consumers take. The table is measured on threads of this process, each of which counts its own
 * CPU time; nothing is pinned, so that threads on one row really meet.
 */
import { askMany } from '../limits/ask.js';
import { measureCost, measureExactness, measureMemory } from '../limits/measure.js';
import { startWeir } from '../proxies.js';
import { spreadOf } from '../statistics.js';
import { allowNoise, BOUNDS, judge, judgeWorst } from './context.js';
import { withRunning } from './interleave.js';
import { measureManyConsumers } from './many-consumers.js';

const THREADS = 8;
const EXACT_SECONDS = 5;
/** Of each thread in each round. */
const RESERVATIONS = 200_000;
const MANY = 100_000;
const MANY_QUICK = 5000;

const WORKERS = 4;
const CONNECTIONS = 400;
const ASKED_EACH = 4;
const AN_HOUR = 1000;
const REFILL_SECONDS = 3600 / AN_HOUR;

/**
 * A limit of 1000 requests an hour, asked for 1600 times on 400 connections to four workers. A consumer's bucket is
 * full at its first request; what the hour gives back since is allowed too.
 * @param {import('./context.js').Context} context
 */
async function measureSockets({ options, mockPort, say }) {
  const names = Array.from({ length: options.rounds }, (_, round) => `hourly-${round}`);
  const limit = `limits: [{ requests: ${AN_HOUR}, per: 1h, burst: ${AN_HOUR} }]`;
  const consumers = `consumers:\n  bench: { keys: [bench] }\n${names
    .map((name) => `  ${name}: { keys: [${name}], ${limit} }\n`)
    .join('')}`;
  const setup = { mockPort, workers: WORKERS, cpu: null, consumers };
  const weir = { name: 'weir', start: () => startWeir(options.weirDir, setup) };
  return withRunning([weir], async ([running]) => {
    const rounds = [];
    for (const key of names) {
      say(`limits: over sockets, ${key}`);
      const port = running?.proxy.port ?? 0;
      const load = { port, key, connections: CONNECTIONS, requests: ASKED_EACH };
      const { statuses, seconds } = await askMany(load);
      const { 200: admitted = 0, 429: refused = 0 } = statuses;
      if (admitted + refused !== CONNECTIONS * ASKED_EACH)
        throw new Error(`other answers than 200 and 429: ${JSON.stringify(statuses)}`);
      const refilled = Math.floor(seconds / REFILL_SECONDS);
      const over = Math.max(0, admitted - AN_HOUR - refilled);
      const off = over + Math.max(0, AN_HOUR - admitted);
      rounds.push({ admitted, refused, seconds, refilled, off });
    }
    return rounds;
  });
}

const COSTS = /** @type {const} */ ([
  { name: '1 thread, 1 consumer', threads: 1, consumers: 1 },
  { name: '1 thread, 100,000 consumers', threads: 1, consumers: MANY },
  { name: `${THREADS} threads, 1 consumer`, threads: THREADS, consumers: 1 },
  { name: `${THREADS} threads, 100,000 consumers`, threads: THREADS, consumers: MANY },
]);

/** @param {import('./context.js').Context} context @param {import('../limits/measure.js').Measuring} measuring */
async function measureCosts({ options, say }, measuring) {
  /** @type {Record<string, number[]>} */
  const costs = Object.fromEntries(COSTS.map(({ name }) => [name, []]));
  for (let round = 1; round <= options.roundsFew; round++)
    for (const { name, threads, consumers } of COSTS) {
      say(`limits: round ${round} of ${options.roundsFew}: ${name}`);
      costs[name]?.push((await measureCost(measuring, name, threads, consumers, null)).cpuNs);
    }
  return costs;
}

/** @param {import('./context.js').Context} context @returns {Promise<import('./context.js').ScenarioResult>} */
export async function runLimits(context) {
  const { options, say } = context;
  const measuring = {
    directory: options.weirDir,
    threads: THREADS,
    seconds: options.quick ? 2 : EXACT_SECONDS,
    rounds: RESERVATIONS,
  };
  say('limits: one bucket');
  const exact = await measureExactness(measuring);
  if (!exact.recount) throw new Error('what the bucket counted is not what the threads were given');
  const sockets = await measureSockets(context);
  const costs = await measureCosts(context, measuring);
  const memory = await measureMemory(measuring);
  // To start with 100,000 consumers takes longer than a quick look has for all of it.
  const asked = options.quick ? MANY_QUICK : MANY;
  const requests = await measureManyConsumers(context, asked);

  const [alone, aloneOfMany, contended, contendedOfMany] = COSTS.map(
    ({ name }) => costs[name] ?? [],
  );
  const tableMb = spreadOf([memory.sharedBytes / 1e6]);
  const overdrawn = spreadOf([Math.max(0, exact.admitted - exact.allowed)]);
  const unused = spreadOf([(1 - exact.share) * 100]);
  const line = (
    /** @type {string} */ what,
    /** @type {string} */ unit,
    /** @type {object} */ of,
  ) => ({
    what,
    unit,
    figures: Object.fromEntries(
      Object.entries(of).map(([name, values]) => [name, spreadOf(values)]),
    ),
  });
  const inSockets = `${WORKERS} workers, ${CONNECTIONS} connections`;
  return {
    name: 'limits',
    how: `One bucket: ${THREADS} threads ask without a pause for ${exact.seconds.toFixed(1)} s, 1 to 97 tokens at a time, of 600,000 a minute with a burst of 20,000. Over sockets: ${CONNECTIONS * ASKED_EACH} requests on ${CONNECTIONS} connections to ${WORKERS} workers, ${AN_HOUR} an hour allowed with a burst of ${AN_HOUR}, another consumer each round; the hour gives one back each ${REFILL_SECONDS} s, which is allowed too. Cost: ${RESERVATIONS} reservations and settlements of three limits a thread and round, no two in a row for the same of 100,000 consumers, whose rows are then not in the processor's caches. Requests: of one consumer and of 100,000 by chance, to two gateways at the same time on the same core, where two equal ones differ by 2 to 7 %. Memory: 100,000 consumers with three limits, 16 workers.`,
    lines: [
      line('calls on one bucket', '', { weir: [exact.asked] }),
      line('tokens', '', {
        'allowed by rate and burst': [exact.allowed],
        admitted: [exact.admitted],
      }),
      line(`requests an hour, ${inSockets}`, '', {
        'answered 200': sockets.map(({ admitted }) => admitted),
        'answered 429': sockets.map(({ refused }) => refused),
        'given back meanwhile': sockets.map(({ refilled }) => refilled),
      }),
      line('first request to last answer', 's', { weir: sockets.map(({ seconds }) => seconds) }),
      line('reserve and settle three limits, CPU', 'ns', costs),
      requests.line,
      line('shared memory of the limits', 'MB', { [`${memory.rows} rows`]: tableMb.values }),
      line('memory beside it, each thread', 'MB', { weir: [memory.planBytesPerThread / 1e6] }),
    ],
    judged: [
      judgeWorst('tokens beyond rate x time + burst', overdrawn, '', BOUNDS.overdrawnUnits),
      judgeWorst('of these not made use of', unused, '%', BOUNDS.unusedPercent),
      judgeWorst(
        `${inSockets}, ${AN_HOUR} an hour: answers 200 too many or too few`,
        spreadOf(sockets.map(({ off }) => off)),
        '',
        BOUNDS.requestsOff,
      ),
      judge(
        'reserve and settle 3 limits, 1 thread',
        spreadOf(alone ?? []),
        'ns',
        BOUNDS.reservationNs,
      ),
      judge(
        `reserve and settle 3 limits, ${THREADS} threads on one row`,
        spreadOf(contended ?? []),
        'ns',
        BOUNDS.contendedReservationNs,
      ),
      judge(
        'the same with 100,000 consumers, 1 thread',
        spreadOf(aloneOfMany ?? []),
        'ns',
        BOUNDS.reservationNs,
      ),
      judge(
        `the same with 100,000 consumers, ${THREADS} threads`,
        spreadOf(contendedOfMany ?? []),
        'ns',
        BOUNDS.contendedReservationNs,
      ),
      judge('100,000 consumers with 3 limits, 16 workers', tableMb, 'MB', BOUNDS.tableMb),
      allowNoise(
        judge(
          `JSON request with key and 3 limits: ${asked.toLocaleString('en')} consumers / 1`,
          requests.ratio,
          'x',
          BOUNDS.manyConsumersRatio,
        ),
      ),
    ],
    raw: { exact, sockets, costs, memory, requests: requests.raw },
  };
}

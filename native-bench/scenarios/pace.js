/**
 * Event streams as models write them, by the hundred and by the thousand: what a proxy adds to the first event and to
 * each later one. The mock puts the time of its write into each event; a direct run in the same round tells how much of
 * the delay is the load's own, which shares a core with the mock.
 */
import { loadStreams } from '../load.js';
import { pickPerContender, spreadPerContender } from '../statistics.js';
import { BOUNDS, judge } from './context.js';
import { addDirect, listDifferences, mergeCurves } from './direct.js';
import { interleave, warm, withRunning } from './interleave.js';

/** Models write 20 to 100 events a second; more streams at less pace, so that two cores can follow. */
const SHAPES = [
  { streams: 100, gapMs: 10, events: 100 },
  { streams: 500, gapMs: 20, events: 50 },
  { streams: 2000, gapMs: 50, events: 25 },
];
const JUDGED_STREAMS = 500;
const SHAPES_QUICK = SHAPES.filter(({ streams }) => streams === JUDGED_STREAMS);

/** @param {import('./context.js').Context} context */
async function measure(context) {
  const { options, cores, mockPort, contenders, say } = context;
  const starts = contenders.map(({ name, start }) => ({
    name,
    start: () => start({ mockPort, workers: 1, cpu: cores.proxy }),
  }));
  const tell = (/** @type {string} */ text) => say(`pace: ${text}`);
  return withRunning(starts, async (running) => {
    const shape = { connections: 200, events: 50, gapMs: 10, seconds: 1, cpu: cores.load };
    for (const each of running)
      await warm(
        each,
        async ({ proxy }) => (await loadStreams({ port: proxy.port, ...shape })).events,
        tell,
      );
    const measured = [];
    for (const { streams, gapMs, events } of options.quick ? SHAPES_QUICK : SHAPES) {
      const rounds = await interleave(
        addDirect(context, running),
        streams === JUDGED_STREAMS ? options.roundsFew : Math.min(options.roundsFew, 2),
        ({ proxy }) =>
          loadStreams({
            port: proxy.port,
            connections: streams,
            seconds: options.seconds,
            events,
            gapMs,
            cpu: cores.load,
          }),
        (text) => tell(`${streams} streams, ${text}`),
      );
      measured.push({ streams, pace: 1000 / gapMs, rounds });
    }
    return measured;
  });
}

/** @param {import('./context.js').Context} context @returns {Promise<import('./context.js').ScenarioResult>} */
export async function runPace(context) {
  const measured = await measure(context);
  /** @typedef {import('./interleave.js').Measured<import('../load.js').StreamResult>} One */
  const listAdded = (
    /** @type {Record<string, One[]>} */ rounds,
    /** @type {(m: One) => number} */ pick,
  ) => listDifferences(pickPerContender(rounds, pick));
  const lines = measured.flatMap(({ streams, pace, rounds }) => {
    const what = `${streams} streams, ${pace}/s`;
    const { direct, ...proxies } = rounds;
    return [
      {
        what: `${what}: event delay p99, whole way`,
        unit: 'µs',
        figures: spreadPerContender(pickPerContender(rounds, (m) => m.eventUs.p99)),
      },
      .../** @type {const} */ (['p50', 'p99']).map((percentile) => ({
        what: `${what}: added delay of an event, ${percentile}`,
        unit: 'µs',
        figures: listAdded(rounds, (m) => m.eventUs[percentile]),
      })),
      .../** @type {const} */ (['p50', 'p99']).map((percentile) => ({
        what: `${what}: added time to the first event, ${percentile}`,
        unit: 'µs',
        figures: listAdded(rounds, (m) => m.firstUs[percentile]),
      })),
      {
        what: `${what}: stall-free streams`,
        unit: '%',
        figures: spreadPerContender(
          pickPerContender(rounds, (m) => (1 - m.stalled / m.streams) * 100),
        ),
      },
      {
        what: `${what}: of its core used`,
        unit: '%',
        figures: spreadPerContender(pickPerContender(proxies, (m) => m.cpuUs / m.seconds / 1e4)),
      },
    ];
  });
  const judged = measured.find(({ streams }) => streams === JUDGED_STREAMS);
  const added = listAdded(judged?.rounds ?? {}, (m) => m.eventUs.p99);
  return {
    name: 'pace',
    how: `Streams that all run at once, each at its own pace, every byte compared. A delay is the time from the mock's write to the client's read, the time to the first event counts from the request; added is the difference of percentiles to a direct run in the same round. A stream is stall-free when no event came later than the next one was due. One worker, pinned to one core, load and mock on another.`,
    lines,
    judged: [
      judge(
        `added delay of an event at ${JUDGED_STREAMS} streams, p99`,
        added['weir'],
        'µs',
        BOUNDS.addedEventDelayUs,
      ),
    ],
    plots: measured.map(({ streams, pace, rounds }) => ({
      kind: 'percentiles',
      file: `pace-${streams}.svg`,
      title: `Delay of an event: ${streams} streams, ${pace} events a second each`,
      curves: mergeCurves(rounds, (m) => m.eventCurve),
    })),
    raw: measured,
  };
}

/** Puts the dashboard together: the feed of live samples, the windows of latencies, and what the admin port serves. */
import { nowMs, wallClockMs } from '../core/clock.js';
import type { MergedSeries } from '../observe/histogram-store.js';
import { LatencyWindows } from '../observe/latency-windows.js';
import type { LiveShape } from '../observe/live-sample.js';
import type { ApiRoute, StreamRoute } from './admin.js';
import { readDashboardFiles, type StaticFile } from './dashboard-files.js';
import { createLatencyApi } from './latency-api.js';
import { HEAT_BOUNDS_MS, LiveFeed, PERCENTILES } from './live-feed.js';
import { type FigureSources, readFigures } from './live-figures.js';

export interface DashboardSources {
  /** What stands now: another one after a reload. */
  readonly readSources: () => FigureSources;
  readonly readAbout: () => Pick<LiveShape, 'version' | 'node' | 'consumerCount'>;
  readonly collect: () => Promise<void>;
  readonly readHistograms: () => readonly MergedSeries[];
}

export interface Dashboard {
  readonly files: ReadonlyMap<string, StaticFile>;
  readonly api: readonly ApiRoute[];
  readonly streams: readonly StreamRoute[];
  start(): void;
  stop(): void;
}

export function createDashboard(sources: DashboardSources): Dashboard {
  const startedAtMs = Math.round(wallClockMs());
  const windows = new LatencyWindows(nowMs());
  const { collect, readHistograms } = sources;
  const readLayout = () => sources.readSources().layout;
  const feed = new LiveFeed({
    readShape: () => {
      const { layout, workers } = sources.readSources();
      return {
        ...sources.readAbout(),
        startId: `${process.pid}-${startedAtMs}`,
        startedAtMs,
        workers,
        routes: layout.routes.map(({ model, provider }) => ({ model, provider })),
        providers: [...layout.providers.keys()],
        heatBoundsMs: HEAT_BOUNDS_MS,
        percentiles: PERCENTILES,
      };
    },
    readFigures: (isWatched) => readFigures(sources.readSources(), isWatched),
    collect,
    readHistograms,
    windows,
  });
  return {
    files: readDashboardFiles(),
    api: [createLatencyApi({ windows, readHistograms, collect, readLayout, startedAtMs })],
    streams: [{ path: '/api/live', open: (response) => feed.watch(response) }],
    start: () => feed.start(),
    stop: () => feed.stop(),
  };
}

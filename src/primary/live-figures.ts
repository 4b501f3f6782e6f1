/** Reads the figures of one sample of the dashboard from what the primary has at hand. */
import { BOUNDS } from '../core/bounds.js';
import type { CounterLayout, RouteSlots } from '../observe/counters.js';
import type {
  LiveLimit,
  LiveProvider,
  LiveRoute,
  LiveSample,
  LiveTarget,
  LiveWorker,
} from '../observe/live-sample.js';
import type { LimitKeeper } from './limit-keeper.js';
import type { TargetKeeper } from './target-keeper.js';

export interface FigureSources {
  readonly layout: CounterLayout;
  /** Sums over the workers, by slot. */
  readonly readCounters: () => Float64Array;
  /** One worker's, by slot. */
  readonly readColumn: (worker: number) => Float64Array;
  readonly workers: number;
  readonly limits: LimitKeeper;
  readonly targets: TargetKeeper;
  /** Resident memory of the process, in bytes. */
  readonly readMemory: () => number;
}

export type Figures = Pick<
  LiveSample,
  'totals' | 'routes' | 'targets' | 'providers' | 'workers' | 'limits'
>;

export function readFigures(sources: FigureSources, isWatched: boolean): Figures {
  const { layout } = sources;
  const sums = sources.readCounters();
  const read = (slot: number): number => sums[slot] ?? 0;
  const { fixed } = layout;
  return {
    totals: {
      exchanges: read(fixed.exchangesTotal),
      refused: Object.values(layout.refused).reduce((sum, slot) => sum + read(slot), 0),
      inFlight: read(fixed.exchangesInFlight),
      connections: read(fixed.connectionsOpen),
      bytesReceived: read(fixed.bytesReceived),
      bytesSent: read(fixed.bytesSent),
      memory: sources.readMemory(),
    },
    routes: layout.routes.slice(0, BOUNDS.liveRoutesMax).map((route) => readRoute(route, read)),
    targets: isWatched ? readTargets(sources.targets) : [],
    providers: [...layout.providers.values()].map(
      (slots): LiveProvider => ({
        connections: read(slots.connectionsOpen),
        queue: read(slots.queueLength),
        rejected: read(slots.queueRejected),
      }),
    ),
    workers: isWatched ? readWorkers(sources) : [],
    limits: isWatched ? readLimits(sources.limits) : [],
  };
}

function readRoute(route: RouteSlots, read: (slot: number) => number): LiveRoute {
  return {
    statuses: [0, 1, 2, 3, 4].map((position) => read(route.firstStatusSlot + position)),
    aborted: read(route.endedByDownstream),
    failed: read(route.endedByUpstream),
    inputTokens: read(route.inputTokens),
    outputTokens: read(route.outputTokens),
    cachedInputTokens: read(route.cachedInputTokens),
    costNanoDollars: read(route.costNanoDollars),
  };
}

function readTargets(keeper: TargetKeeper): LiveTarget[] {
  const { targets } = keeper.list(null, null, 0, BOUNDS.liveRoutesMax);
  return targets.map(({ state, drained, words }) => ({
    state: drained ? 'drained' : state,
    words,
  }));
}

function readWorkers({ workers, layout, readColumn }: FigureSources): LiveWorker[] {
  const { fixed } = layout;
  return Array.from({ length: workers }, (_, worker) => {
    const column = readColumn(worker);
    return {
      exchanges: column[fixed.exchangesTotal] ?? 0,
      inFlight: column[fixed.exchangesInFlight] ?? 0,
      connections: column[fixed.connectionsOpen] ?? 0,
    };
  });
}

/** Those that are nearest to empty, of the first ones: to look at all of a hundred thousand takes too long. */
function readLimits(keeper: LimitKeeper): LiveLimit[] {
  return keeper
    .list(null, 0, BOUNDS.liveLimitsLookedAtMax)
    .sort((a, b) => fillOf(a) - fillOf(b) || b.held + b.settled - a.held - a.settled)
    .slice(0, BOUNDS.liveLimitsMax)
    .map(({ consumer, limit, kind, level, capacity, held, refused }) => {
      return { consumer, limit, kind, level, capacity, held, refused };
    });
}

function fillOf({
  level,
  debt,
  capacity,
}: {
  level: number;
  debt: number;
  capacity: number;
}): number {
  return capacity > 0 ? (level - debt) / capacity : 1;
}

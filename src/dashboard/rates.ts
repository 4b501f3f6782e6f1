/** From figures that only grow to what happened in each second. */
import type { LiveRoute, LiveSample } from '../observe/live-sample.js';

/** Between two samples, per second; money per hour. */
export interface Rates {
  readonly atMs: number;
  readonly requests: number;
  readonly good: number;
  readonly refused: number;
  readonly serverErrors: number;
  readonly clientErrors: number;
  readonly aborted: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly dollarsPerHour: number;
  readonly bytesSent: number;
  readonly inFlight: number;
  readonly heat: readonly number[];
}

export interface RouteRates {
  readonly requests: number;
  readonly errors: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly dollarsPerHour: number;
}

/** @returns null where nothing can be said: the server was started anew in between, or it is the same moment. */
export function compare(before: LiveSample, now: LiveSample): Rates | null {
  const seconds = (now.atMs - before.atMs) / 1000;
  if (seconds <= 0 || now.totals.exchanges < before.totals.exchanges) return null;
  const per = (pick: (route: LiveRoute) => number): number =>
    now.routes.reduce((sum, route, index) => {
      const old = before.routes[index];
      return sum + Math.max(0, pick(route) - (old === undefined ? 0 : pick(old)));
    }, 0) / seconds;
  return {
    atMs: now.atMs,
    requests: (now.totals.exchanges - before.totals.exchanges) / seconds,
    good: per(({ statuses }) => (statuses[1] ?? 0) + (statuses[2] ?? 0)),
    refused: Math.max(0, now.totals.refused - before.totals.refused) / seconds,
    serverErrors: per(({ statuses }) => statuses[4] ?? 0),
    clientErrors: per(({ statuses }) => statuses[3] ?? 0),
    aborted: per(({ aborted }) => aborted),
    inputTokens: per(({ inputTokens }) => inputTokens),
    outputTokens: per(({ outputTokens }) => outputTokens),
    dollarsPerHour: (per(({ costNanoDollars }) => costNanoDollars) / 1e9) * 3600,
    bytesSent: Math.max(0, now.totals.bytesSent - before.totals.bytesSent) / seconds,
    inFlight: now.totals.inFlight,
    heat: now.heat,
  };
}

/** Of one route over a longer while, so that slow ones show a figure too. */
export function compareRoutes(before: LiveSample, now: LiveSample): RouteRates[] {
  const seconds = Math.max((now.atMs - before.atMs) / 1000, 0.001);
  return now.routes.map((route, index) => {
    const old = before.routes[index];
    const per = (pick: (one: LiveRoute) => number): number =>
      Math.max(0, pick(route) - (old === undefined ? 0 : pick(old))) / seconds;
    const answers = per(({ statuses }) => statuses.reduce((sum, count) => sum + count, 0));
    return {
      requests: answers,
      errors: per(({ statuses, failed }) => (statuses[4] ?? 0) + failed),
      inputTokens: per(({ inputTokens }) => inputTokens),
      outputTokens: per(({ outputTokens }) => outputTokens),
      dollarsPerHour: (per(({ costNanoDollars }) => costNanoDollars) / 1e9) * 3600,
    };
  });
}

/**
 * The one call of an exchange that can have no other: nothing stands between it and the relay, and what became of it is
 * told when the exchange is over, from what the exchange knows by then. No more is kept of it, so that this costs a few
 * additions and allocates nothing. What a body or a stream says beside the status is not read: nothing could follow.
 */
import { wallClockMs } from '../core/clock.js';
import type { Exchange } from '../exchange.js';
import type { Target } from '../route/models.js';
import type { AttemptOutcome } from './attempt-outcomes.js';
import type { AttemptParts } from './attempt-parts.js';
import { classifyError, classifyStatus } from './failure-classes.js';
import { readRetryAfterMs } from './retry-after.js';

/** Before the call is made. */
export function beginDirect({ reports }: AttemptParts, exchange: Exchange, target: Target): void {
  exchange.isDirect = true;
  const model = target.model ?? exchange.model;
  exchange.trace?.beginAttempt(target.provider, model, exchange.readyMs);
  reports.beginDirect(target, exchange.readyMs);
}

/** When the exchange is over, whichever way: exactly once where it was begun. */
export function endDirect(parts: AttemptParts, exchange: Exchange, atMs: number): void {
  const { target, upstreamStatus, refusalLines } = exchange;
  if (target !== null) {
    const outcome = judge(parts, exchange, target);
    const isAnswered = upstreamStatus > 0;
    const retryAfterMs = refusalLines === '' ? -1 : readRetryAfterMs(refusalLines, wallClockMs());
    parts.reports.endDirect(target, outcome, isAnswered, retryAfterMs, atMs);
    const { trace, sentMs, headMs, readyMs } = exchange;
    const end = { sentMs, headMs, status: upstreamStatus, outcome, endedMs: atMs };
    trace?.endAttempt(target.provider, readyMs, end);
  }
}

function judge({ forwarder }: AttemptParts, exchange: Exchange, target: Target): AttemptOutcome {
  const { error, ended, upstreamStatus } = exchange;
  if (upstreamStatus >= FAILURES_FROM) {
    const isOwnCredential = forwarder.configOf(target.provider).apiKey !== null;
    return classifyStatus(upstreamStatus, isOwnCredential) ?? 'other';
  }
  if (error !== null) {
    return classifyError(error) ?? (error.code === 'limit_reached' ? 'aborted' : 'other');
  }
  return ended?.reason === 'complete' ? 'ok' : 'aborted';
}

const FAILURES_FROM = 400;

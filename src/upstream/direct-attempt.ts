/**
 * The one call of an exchange, where it can have no other or none has become necessary (first-attempt.ts): what became of
 * it is told when the exchange is over, from what the exchange knows by then. No more is kept of it, so that this costs a
 * few additions and allocates nothing. Where there can be no other nothing stands between the call and the relay, and what
 * a body or a stream says beside the status is not read: nothing could follow.
 */
import { wallClockMs } from '../core/clock.js';
import type { GatewayError } from '../core/errors.js';
import type { Exchange } from '../exchange.js';
import type { Target } from '../route/models.js';
import type { AttemptOutcome } from './attempt-outcomes.js';
import type { AttemptParts } from './attempt-parts.js';
import { classifyError, classifyStatus, FAILURES_FROM } from './failure-classes.js';
import { readRetryAfterMs } from './retry-after.js';

/** Before the call is made. */
export function beginDirect({ reports }: AttemptParts, exchange: Exchange, target: Target): void {
  exchange.isDirect = true;
  const model = target.model ?? exchange.model;
  exchange.trace?.beginAttempt(target.provider, model, exchange.readyMs);
  exchange.isOutOfTurn = !reports.beginDirect(target, exchange.readyMs);
}

/** What of attempts is told when the exchange is over and settled, whichever way: exactly once. */
export function endAttempts(parts: AttemptParts, exchange: Exchange, atMs: number): void {
  if (exchange.isDirect) {
    endDirect(parts, exchange, atMs);
  }
  const { target } = exchange;
  if (exchange.isPaced && target !== null) {
    parts.reports.recordAnswer(exchange, target);
  }
}

function endDirect(parts: AttemptParts, exchange: Exchange, atMs: number): void {
  const { target } = exchange;
  if (target !== null) {
    const outcome = judge(parts, exchange, target);
    report(parts, exchange, target, outcome, atMs);
    const { trace, sentMs, headMs, readyMs, upstreamStatus } = exchange;
    const end = { sentMs, headMs, status: upstreamStatus, outcome, endedMs: atMs };
    trace?.endAttempt(target.provider, readyMs, end);
  }
}

function report(
  { plans, reports }: AttemptParts,
  exchange: Exchange,
  target: Target,
  outcome: AttemptOutcome,
  atMs: number,
): void {
  const { upstreamStatus, refusalLines, readyMs } = exchange;
  // That it answered well says nothing of it where the answer came to nothing.
  const isAnswered = upstreamStatus >= FAILURES_FROM;
  const retryAfterMs = refusalLines === '' ? -1 : readRetryAfterMs(refusalLines, wallClockMs());
  if (exchange.attemptsMade === 0) {
    reports.endDirect(target, outcome, isAnswered, retryAfterMs, atMs);
  } else {
    reports.end(exchange, target, readyMs, outcome, isAnswered, retryAfterMs, atMs);
  }
  if (outcome === 'ok') {
    if (exchange.isOutOfTurn) reports.noteRevived(target, atMs);
    exchange.isPaced = plans.comparesPace && exchange.attemptsMade > 0;
  }
}

function judge({ forwarder }: AttemptParts, exchange: Exchange, target: Target): AttemptOutcome {
  const { error, ended, upstreamStatus } = exchange;
  if (upstreamStatus >= FAILURES_FROM) {
    const isOwnCredential = forwarder.configOf(target.provider).apiKey !== null;
    return classifyStatus(upstreamStatus, isOwnCredential) ?? 'other';
  }
  if (exchange.isUpstreamDone || ended?.reason === 'complete') {
    // Whatever became of the rest of its way to the client.
    return 'ok';
  }
  return error === null ? 'aborted' : (classifyError(error) ?? nameOther(error));
}

function nameOther({ code }: GatewayError): AttemptOutcome {
  return code === 'limit_reached' ? 'aborted' : 'other';
}

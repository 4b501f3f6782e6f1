/**
 * Sends one request that may be hostile, then a harmless marker on the same connection, and says
 * what became of both. If the gateway misjudged where the first one ends, the marker tells.
 */
import type { EchoUpstream } from './echo-upstream.js';
import { findHeader, isEchoAnswer } from './echo-upstream.js';
import { renderRequest } from './http-text.js';
import { RawClient } from './raw-client.js';
import type { HttpMessage } from './strict-http.js';

/**
 * forwarded: answered by the upstream. refused: a whole answer of the gateway's own.
 * swallowed: closed without an answer. broken: anything else, and always a failure.
 */
export type OutcomeKind = 'forwarded' | 'refused' | 'swallowed' | 'broken';

export interface Outcome {
  readonly id: string;
  readonly kind: OutcomeKind;
  /** Of the first final answer; 0 without one. */
  readonly status: number;
  readonly response: HttpMessage | null;
  /** `answered` by the echo with the marker's own path; `closed` before an answer. */
  readonly marker: 'answered' | 'closed' | 'wrong';
  readonly elapsedMs: number;
  readonly detail: string;
}

export interface Attempt {
  /** Unique; the request should carry it as `x-vector`. */
  readonly id: string;
  readonly bytes: Buffer;
  readonly toHead?: boolean;
  /** Offsets at which the bytes are cut into packets. */
  readonly points?: readonly number[];
  readonly pauseMs?: number;
  /** The longest that a connection may live without an answer; above uWebSockets.js' own cut. */
  readonly silenceMs?: number;
}

export const MARKER_TARGET = '/v1/marker';

export async function attemptRequest(port: number, attempt: Attempt): Promise<Outcome> {
  const client = await RawClient.connect({ port });
  const outcome = (
    kind: OutcomeKind,
    response: HttpMessage | null,
    marker: Outcome['marker'],
    detail = '',
  ): Outcome => ({
    id: attempt.id,
    kind,
    status: response?.status ?? 0,
    response,
    marker,
    elapsedMs: performance.now() - client.openedAtMs,
    detail,
  });
  try {
    const sending = client.sendSplit(attempt.bytes, attempt.points ?? [], attempt.pauseMs ?? 0);
    const response = await client.readResponseOrClose({
      toHead: attempt.toHead ?? false,
      timeoutMs: attempt.silenceMs ?? 15_000,
    });
    if (response === null) return outcome('swallowed', null, 'closed');
    if (!response.complete) return outcome('broken', response, 'closed', 'answer broke off');
    await Promise.race([sending, client.waitForClose()]);
    const isForwarded = attempt.toHead === true ? response.status === 200 : isFromEcho(response);
    const kind = isForwarded ? 'forwarded' : 'refused';
    if (!isForwarded && response.status < 400) {
      return outcome('broken', response, 'wrong', `${response.status} not from the upstream`);
    }
    return outcome(kind, response, await sendMarker(client, attempt.id, response));
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const seen = client.received.toString('latin1', 0, 200);
    return outcome('broken', null, 'closed', `${text}; received ${JSON.stringify(seen)}`);
  } finally {
    client.destroy();
  }
}

async function sendMarker(
  client: RawClient,
  id: string,
  response: HttpMessage,
): Promise<Outcome['marker']> {
  const isAnnounced = /close/i.test(response.header('connection') ?? '');
  if (isAnnounced || response.framing === 'close') {
    await client.waitForClose(2000);
    return 'closed';
  }
  client.send(renderRequest({ target: `${MARKER_TARGET}?of=${id}`, headers: [['x-marker', id]] }));
  const answer = await client.readResponseOrClose({ timeoutMs: 5000 });
  if (answer === null) return 'closed';
  const echoed = isFromEcho(answer) ? answer.json() : null;
  const isOwn =
    isEchoAnswer(echoed) &&
    echoed.target === `${MARKER_TARGET}?of=${id}` &&
    findHeader(echoed, 'x-marker') === id;
  return isOwn ? 'answered' : 'wrong';
}

function isFromEcho(response: HttpMessage): boolean {
  if (response.status !== 200) return false;
  try {
    return isEchoAnswer(response.json());
  } catch {
    return false;
  }
}

/** Runs all at once: those that are cut only by the idle timer then cost its time just once. */
export function attemptAll(port: number, attempts: readonly Attempt[]): Promise<Outcome[]> {
  return Promise.all(attempts.map((attempt) => attemptRequest(port, attempt)));
}

/**
 * What must hold for the oracle whatever was sent; returns complaints.
 *
 * @param mayBeLost ids of requests that may be executed once although the client saw another answer or
 *   none: bytes behind the request made uWebSockets.js close before the upstream had answered.
 */
export function auditOracle(
  echo: EchoUpstream,
  outcomes: readonly Outcome[],
  mayBeLost: ReadonlySet<string> = new Set(),
): string[] {
  const complaints = echo.parseErrors.map((code) => `the upstream got malformed bytes: ${code}`);
  let expectedTotal = outcomes.filter(({ marker }) => marker === 'answered').length;
  for (const { id, kind } of outcomes) {
    const seen = echo.withHeader('x-vector', id).filter(({ complete }) => complete).length;
    const isLost = kind !== 'forwarded' && seen === 1 && mayBeLost.has(id);
    const expected = kind === 'forwarded' || isLost ? 1 : 0;
    expectedTotal += expected;
    if (seen !== expected) complaints.push(`${id}: ${kind}, but the upstream got ${seen} of it`);
  }
  const whole = echo.requests.filter(({ complete }) => complete).length;
  if (whole !== expectedTotal) {
    complaints.push(`the upstream got ${whole} requests, ${expectedTotal} can be accounted for`);
  }
  for (const request of echo.requests) {
    const owner = findHeader(request, 'x-vector') ?? findHeader(request, 'x-marker');
    if (owner === undefined) complaints.push(`nobody sent ${request.method} ${request.target}`);
  }
  return complaints;
}

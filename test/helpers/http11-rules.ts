/**
 * What RFC 9110 and RFC 9112 ask of a server for one odd request, as rules that judge what a proxy did with it. The same
 * rules judge Weir, nginx and HAProxy.
 */
import { createHash } from 'node:crypto';
import type { EchoedRequest } from './echo-upstream.js';

/** pass: as asked. lenient: allowed, but a stricter peer would have refused it. fail: against the RFC. */
export type Verdict = 'pass' | 'lenient' | 'fail';

/** What a proxy did with one vector and with the harmless request behind it. */
export interface Observation {
  /** Of the first final answer; 0 without one. */
  readonly status: number;
  readonly interim: readonly number[];
  /** Of the first final answer, names in small letters. */
  readonly headers: ReadonlyMap<string, string>;
  /**
   * answered: by a whole answer. closed: without one. silent: neither, within the time that was given. garbled: what
   * came is no HTTP, or broke off.
   */
  readonly ending: 'answered' | 'closed' | 'silent' | 'garbled';
  /**
   * Of the request behind the vector: answered with its own answer, refused, lost with the connection, never answered;
   * none: it was not sent, for there was no connection left that it could be sent on.
   */
  readonly marker: 'answered' | 'refused' | 'closed' | 'silent' | 'none';
  readonly ms: number;
  /** Whole requests that the upstream got for this vector. */
  readonly arrived: readonly EchoedRequest[];
  /** What was passed on for it that the upstream’s parser refused. */
  readonly rejected: readonly string[];
  /** Requests that the upstream got and nobody sent: hidden in a body, or a marker that came as something else. */
  readonly hidden: readonly string[];
}

export interface Rule {
  /** In a few words, for the grid. */
  readonly asks: string;
  /** The request is not complete: to wait for the rest is right. */
  readonly waits: boolean;
  readonly judge: (seen: Observation, body: string | undefined) => Verdict;
}

function rule(asks: string, judge: Rule['judge'], waits = false): Rule {
  return { asks, judge, waits };
}

const wasPassedOn = (seen: Observation): boolean =>
  seen.arrived.length > 0 || seen.rejected.length > 0;
const isRefusal = (seen: Observation): boolean => seen.status >= 400 && !wasPassedOn(seen);
const isSuccess = (seen: Observation): boolean => seen.status >= 200 && seen.status < 300;

/** The upstream got it once, with that body. */
function isServed(seen: Observation, body: string | undefined): boolean {
  const [request, ...more] = seen.arrived;
  if (!isSuccess(seen) || request === undefined || more.length > 0) return false;
  if (body === undefined) return true;
  return request.bodySha256 === createHash('sha256').update(body, 'latin1').digest('hex');
}

/** The connection was either in step afterwards or gone. */
function isInStep(seen: Observation): boolean {
  return seen.marker === 'answered' || seen.marker === 'closed' || seen.marker === 'none';
}

function isGone(seen: Observation): boolean {
  return seen.ending === 'closed' || seen.marker === 'closed' || seen.marker === 'none';
}

interface Refusing {
  readonly statuses?: readonly number[];
  /** The length of the message is in doubt: the connection must not live on. */
  readonly closes?: boolean;
}

/** To be refused; another status than those asked for is lenient. */
export function refuse(asks: string, { statuses = [400], closes = false }: Refusing = {}): Rule {
  return rule(asks, (seen) => {
    if (wasPassedOn(seen)) return 'fail';
    if (seen.ending === 'closed') return 'pass';
    if (!isRefusal(seen) || !isInStep(seen) || (closes && !isGone(seen))) return 'fail';
    return statuses.includes(seen.status) ? 'pass' : 'lenient';
  });
}

/** Better refused; to serve it as the RFC reads it is lenient. */
export function refuseOrServe(asks: string, statuses: readonly number[] = [400]): Rule {
  return rule(asks, (seen, body) => {
    if (isServed(seen, body) && isInStep(seen)) return 'lenient';
    if (wasPassedOn(seen)) return 'fail';
    if (seen.ending === 'closed') return 'pass';
    if (!isRefusal(seen) || !isInStep(seen)) return 'fail';
    return statuses.includes(seen.status) ? 'pass' : 'lenient';
  });
}

/** Both a length and chunks: better refused; who reads the chunks must close the connection after it. */
export const REFUSE_OR_CLOSE: Rule = rule(
  '400 or 501; or read as chunked, then close',
  (seen, body) => {
    if (isServed(seen, body)) return isGone(seen) ? 'lenient' : 'fail';
    if (wasPassedOn(seen)) return 'fail';
    if (seen.ending === 'closed') return 'pass';
    if (!isRefusal(seen) || !isGone(seen)) return 'fail';
    return seen.status === 400 || seen.status === 501 ? 'pass' : 'lenient';
  },
);

/** Valid: to be served with that body, and the connection goes on or is closed in order. */
export function serve(asks = 'serve', refusedIs: Verdict = 'fail'): Rule {
  return rule(asks, (seen, body) => {
    if (isServed(seen, body)) return isInStep(seen) ? 'pass' : 'fail';
    return isRefusal(seen) || seen.ending === 'closed' ? refusedIs : 'fail';
  });
}

/** Served, or refused in order: both are right as long as the connection stays in step. */
export const KEEP_IN_STEP: Rule = rule('serve or refuse, and stay in step', (seen, body) => {
  if (seen.ending === 'closed') return 'pass';
  const isRight = isServed(seen, body) || isRefusal(seen);
  return isRight && isInStep(seen) ? 'pass' : 'fail';
});

/** The rest has not come: no answer but a refusal, and nothing whole for the upstream. */
export const WAIT: Rule = rule(
  'wait for the rest, or refuse',
  (seen) => (isSuccess(seen) || wasPassedOn(seen) ? 'fail' : 'pass'),
  true,
);

/** Trailers may be dropped, never merged into the headers. */
export function dropTrailer(name: string, value: string): Rule {
  return rule('serve without the trailer, or refuse', (seen, body) => {
    const isMerged = seen.arrived.some((request) =>
      request.headers.some(([key, text]) => key.toLowerCase() === name && text === value),
    );
    if (isMerged) return 'fail';
    return KEEP_IN_STEP.judge(seen, body);
  });
}

/** Whatever becomes of it, the connection must not change its protocol. */
export const NO_UPGRADE: Rule = rule('anything but 101', (seen) => {
  if (seen.ending === 'closed') return 'pass';
  return seen.ending === 'answered' && seen.status !== 101 && !seen.interim.includes(101)
    ? 'pass'
    : 'fail';
});

/** Served, and the connection is over. */
export function serveAndClose(asks: string): Rule {
  return rule(asks, (seen, body) => {
    if (!isServed(seen, body)) return 'fail';
    return isGone(seen) ? 'pass' : 'fail';
  });
}

/** Served with a header that its answer must have. */
export function serveWith(name: string, asks: string, pattern = /./): Rule {
  return rule(asks, (seen, body) => {
    if (!isServed(seen, body)) return 'fail';
    return pattern.test(seen.headers.get(name) ?? '') ? 'pass' : 'fail';
  });
}

/** An answer 204 has no content-length. */
export const NO_LENGTH_IN_204: Rule = rule('204 without content-length', (seen) => {
  if (seen.status !== 204) return 'fail';
  return seen.headers.has('content-length') || !isInStep(seen) ? 'fail' : 'pass';
});

/** A method that nobody knows, refused by whoever; a 405 names the methods that are allowed. */
export const NAME_ALLOWED: Rule = rule('400, 501, or 405 with allow', (seen) => {
  if (seen.ending === 'closed' || seen.rejected.length > 0) return 'pass';
  if (seen.status === 405) return seen.headers.has('allow') ? 'pass' : 'fail';
  if (seen.status === 501 || seen.status === 400) return 'pass';
  return isSuccess(seen) ? 'lenient' : 'fail';
});

/** TRACE: refused; reflected without what is secret is lenient. */
export const NO_TRACE: Rule = rule('405 or 501, or nothing secret reflected', (seen) => {
  if (seen.ending === 'closed') return 'pass';
  if ([400, 405, 501].includes(seen.status)) return isInStep(seen) ? 'pass' : 'fail';
  return isSuccess(seen) ? 'lenient' : 'fail';
});

/** No 1xx to a client that does not know it. */
export const NO_INTERIM: Rule = rule('no 1xx', (seen) =>
  seen.interim.length === 0 && seen.ending !== 'garbled' ? 'pass' : 'fail',
);

/** Something is behind the request that is none of it: it must not be swallowed. */
export const SEE_THE_REST: Rule = rule('the byte behind it is not dropped', (seen) =>
  seen.marker === 'answered' ? 'fail' : 'pass',
);

/** Bytes that are no request: refused, closed, or waited on. */
export const NO_REQUEST: Rule = rule(
  '400, or close',
  (seen) => (!wasPassedOn(seen) && (seen.status === 0 || seen.status >= 400) ? 'pass' : 'fail'),
  true,
);

/** Two requests in one packet, answered in order. */
export const PIPELINE: Rule = rule('answer both in order, or the first and close', (seen, body) => {
  if (!isServed(seen, body)) return 'fail';
  return seen.marker === 'answered' ? 'pass' : isGone(seen) ? 'lenient' : 'fail';
});

/** Too large: refused by one of these statuses, or closed. */
export function refuseLarge(asks: string, statuses: readonly number[]): Rule {
  return refuse(asks, { statuses });
}

/** Not the status 414; a proxy may refuse it otherwise. */
export const NOT_414: Rule = rule('not 414', (seen) =>
  seen.status === 414 || seen.ending === 'garbled' ? 'fail' : 'pass',
);

/** 417, or the expectation ignored. */
export const EXPECTATION: Rule = rule('417; or serve', (seen, body) => {
  if (seen.status === 417) return 'pass';
  return isServed(seen, body) && isInStep(seen) ? 'lenient' : 'fail';
});

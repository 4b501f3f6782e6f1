/**
 * How an exchange ended, in two letters after HAProxy's termination state: what ended it, and how far it was. They say
 * the same as `ended` in the access log, short enough to be counted by eye; docs/access-log.md describes each letter.
 */
import type { ErrorCode } from '../core/errors.js';
import type { Exchange, Phase } from '../exchange.js';

/** Why an exchange can be over without a row in core/errors.ts. */
export type PlainReason = 'complete' | 'aborted' | 'worker_failed' | 'unknown';

export type CauseLetter = '-' | 'C' | 'S' | 's' | 'P' | 'D' | 'K' | 'I';

/** The first letter. Whoever adds a row to core/errors.ts has to say here what it is. */
export const CAUSES = {
  complete: '-',
  aborted: 'C',
  upstream_refused: 'S',
  upstream_reset: 'S',
  upstream_malformed: 'S',
  upstream_cut: 'S',
  queue_timeout: 's',
  connect_timeout: 's',
  first_byte_timeout: 's',
  first_token_timeout: 's',
  idle_timeout: 's',
  bad_framing: 'P',
  bad_target: 'P',
  bad_body: 'P',
  bad_timeout: 'P',
  missing_key: 'P',
  invalid_key: 'P',
  client_certificate_required: 'P',
  model_not_found: 'P',
  route_not_found: 'P',
  method_not_allowed: 'P',
  body_too_large: 'P',
  headers_too_large: 'P',
  rate_limit_exceeded: 'P',
  limit_reached: 'P',
  queue_full: 'P',
  overloaded: 'P',
  exchange_timeout: 'D',
  draining: 'K',
  gateway_error: 'I',
  worker_failed: 'I',
  unknown: 'I',
} as const satisfies Record<ErrorCode | PlainReason, CauseLetter>;

export type EndPhase = Phase | 'last';
export type PhaseLetter = '-' | 'R' | 'Q' | 'C' | 'H' | 'D' | 'L';

/** The second letter. `last` is the part of `streaming` in which the provider has said all. */
export const PHASE_LETTERS = {
  reading: 'R',
  queued: 'Q',
  connecting: 'C',
  waiting: 'H',
  streaming: 'D',
  last: 'L',
  done: '-',
} as const satisfies Record<EndPhase, PhaseLetter>;

/** Its answer was given whole. */
export const COMPLETE = '--';

type CodesByPhase = Readonly<Record<EndPhase, string>>;

/** Made once, so that a line takes a text that is there already. */
function combine(cause: CauseLetter): CodesByPhase {
  const ofPhase = (phase: EndPhase): string => cause + PHASE_LETTERS[phase];
  return {
    reading: ofPhase('reading'),
    queued: ofPhase('queued'),
    connecting: ofPhase('connecting'),
    waiting: ofPhase('waiting'),
    streaming: ofPhase('streaming'),
    last: ofPhase('last'),
    done: ofPhase('done'),
  };
}

const CODES: ReadonlyMap<string, CodesByPhase> = new Map(
  Object.entries(CAUSES).map(([reason, cause]) => [reason, combine(cause)]),
);
const UNKNOWN = combine(CAUSES.unknown);

/** Of an exchange that is over; `--` where its answer was given whole, whatever its status is. */
export function findEndCode({ ended, isUpstreamDone }: Exchange): string {
  if (ended === null) {
    return UNKNOWN.done;
  }
  const { reason, phase } = ended;
  if (reason === 'complete') {
    return COMPLETE;
  }
  const codes = CODES.get(reason) ?? UNKNOWN;
  return isUpstreamDone && phase === 'streaming' ? codes.last : codes[phase];
}

/**
 * The state of one exchange: one object that all stages share, from the first byte read to the last
 * thing recorded. Declared fields only; a stage writes its own and reads those of the stages before it.
 */
import type { DialectName } from './core/errors.js';

/** Where an exchange is. Ordered: an exchange only moves forward. */
export type Phase = 'reading' | 'queued' | 'connecting' | 'waiting' | 'streaming' | 'done';

/** Why an exchange is over. In every access-log line. */
export interface Ended {
  readonly by: 'downstream' | 'upstream' | 'gateway';
  readonly phase: Phase;
  /** `complete`, `aborted`, or a code of core/errors.ts. */
  readonly reason: string;
}

/** The request's head, copied out of uWebSockets.js. Names are in lower case; values as received. */
export interface RequestHead {
  /** As sent, in its case. */
  readonly method: string;
  /** Path without the query, beginning with `/`. */
  readonly path: string;
  /** Without the question mark; empty if there is none. */
  readonly query: string;
  /** name, value, name, value … in the order received. */
  readonly headers: readonly string[];
  /** Bytes that `content-length` announces; -1 if there is none. */
  readonly contentLength: number;
  readonly isChunked: boolean;
}

export type { DialectName };

/** What a relay is given: its worker, the call to the provider and its head, each as far as a relay needs it. */
import type { Deadlines } from '../core/deadlines.js';
import type { GatewayError } from '../core/errors.js';
import type { TurnRow } from '../core/turn-row.js';
import type { Exchange, Phase } from '../exchange.js';

/** The provider's side, as far as a relay needs it. */
export interface RelayedCall {
  readonly phase: Phase;
  /** Where it was when it ended. */
  readonly endedIn: Phase;
  pause(): void;
  resume(): void;
  cancel(): void;
}

/** A provider's head, as far as a relay needs it. */
export interface RelayedHead {
  readonly status: number;
  readonly statusLine: string;
  readonly lines: string;
  /** A name among the lines begins with `x-`. */
  readonly hasExtensions: boolean;
  /** -1 where there is none. */
  readonly contentLength: number;
  readonly isEventStream: boolean;
  readonly isEncoded: boolean;
}

/** What a relay needs of its worker. */
export interface RelayHost {
  /** Shapes of errors in the dialect of the caller. */
  formatError(exchange: Exchange, error: GatewayError): string;
  formatStreamError(exchange: Exchange, error: GatewayError): string;
  /** Ends a stream whose length is limited, before its error. */
  formatStreamLength(exchange: Exchange): string;
  /** Header lines about what is left of the exchange's limits, in bytes that are lent until the next call; null for none. */
  formatLimits(exchange: Exchange): Uint8Array | null;
  /** The provider's lines without those that Weir's own take the place of. */
  dropLimitLines(lines: string): string;
  /** A limit that holds within streams has nothing left for this one. */
  isExhausted(exchange: Exchange): boolean;
  /** Such as `404 Not Found`. */
  formatStatus(status: number): string;
  /** Something was thrown that is no GatewayError: a defect of Weir's. */
  onFault(exchange: Exchange, thrown: unknown): void;
  /** Called exactly once for each exchange, when it is over in whatever way; `atMs` is of core/clock.ts. */
  onEnded(exchange: Exchange, atMs: number): void;
  /** For the worker's requests and answers. */
  readonly row: TurnRow;
  /** Exchanges that run in this worker, those of earlier configurations too. */
  readonly workerInFlight: number;
  /** The worker's timeouts. */
  readonly deadlines: Deadlines;
  /** The worker wants its connections to end. */
  readonly isDraining: boolean;
  /** The worker cuts what is left: the client did not go by itself. */
  readonly isClosing: boolean;
  /** Why it does; the reason in the access log. */
  readonly closingReason: string;
}

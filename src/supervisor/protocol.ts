/**
 * What the supervisor and its server processes say to each other, as JSON over Node's IPC channel: the two may be of
 * different releases and run on different Nodes, because an upgrade leaves the supervisor as it is. So it is small, what
 * one server tells the other is opaque to the supervisor (`payload`), and a change that an older side could misread
 * gets a new PROTOCOL. Unknown kinds are ignored by both sides.
 */

export const PROTOCOL = 1;

/** The environment variable that tells a server it is supervised; holds an Inheritance as JSON. */
export const INHERITANCE_VARIABLE = 'WEIR_SUPERVISED';

export interface BoundPort {
  /** As configured. */
  readonly host: string;
  /** As configured; perhaps 0. */
  readonly port: number;
  /** In use. */
  readonly boundPort: number;
}

/** What a server process is started with. */
export interface Inheritance {
  readonly protocol: number;
  /** Where the server before this one listens or listened; null at the first start. */
  readonly listen: BoundPort | null;
  /** Another server serves: listen beside it, hold what comes, and wait to be given the buckets. */
  readonly isSuccessor: boolean;
}

export type ToSupervisor =
  /** Asks for the admin port; answered by `admin-listening` or `admin-refused`. */
  | { readonly kind: 'listen-admin'; readonly host: string; readonly port: number }
  /** It got this signal itself, which is the supervisor's to act on. */
  | { readonly kind: 'signalled'; readonly signal: 'SIGTERM' | 'SIGINT' }
  /** A successor listens and holds what comes. */
  | { readonly kind: 'holding' }
  /** It serves. */
  | { readonly kind: 'ready'; readonly listen: BoundPort }
  /** The answer to `hand-over`: it neither listens nor admits any more. */
  | { readonly kind: 'handed-over'; readonly payload: string }
  /** For the server that serves, which answers. */
  | { readonly kind: 'ask'; readonly id: number; readonly payload: unknown }
  /** The answer to an `ask` of the server with that number. */
  | {
      readonly kind: 'answer';
      readonly to: number;
      readonly id: number;
      readonly payload: unknown;
    }
  /** For the server that serves. */
  | { readonly kind: 'tell'; readonly payload: unknown }
  /** It has ended, with this exit code, but for a log line that nobody takes; what remains of it is killed. */
  | { readonly kind: 'ended'; readonly code: number };

export type FromSupervisor =
  | { readonly kind: 'admin-listening'; readonly host: string; readonly port: number }
  | { readonly kind: 'admin-refused'; readonly code: string; readonly message: string }
  /** Comes with a socket. */
  | { readonly kind: 'admin-connection' }
  | { readonly kind: 'signal'; readonly signal: 'SIGTERM' | 'SIGINT' | 'SIGHUP' }
  /** Stop listening, tell what the buckets hold, and end when what runs has ended. */
  | { readonly kind: 'hand-over' }
  /** What the server before this one handed over; null: it did not get to it. */
  | { readonly kind: 'take-over'; readonly payload: string | null }
  | {
      readonly kind: 'ask';
      readonly from: number;
      readonly id: number;
      readonly payload: unknown;
    }
  | { readonly kind: 'answer'; readonly id: number; readonly payload: unknown }
  | { readonly kind: 'tell'; readonly payload: unknown }
  /** No server before this one is left. */
  | { readonly kind: 'alone' };

/** A message of the other side, which may be newer: only that it is one is checked. */
export function isMessage(value: unknown): value is { readonly kind: string } {
  return (
    typeof value === 'object' && value !== null && 'kind' in value && typeof value.kind === 'string'
  );
}

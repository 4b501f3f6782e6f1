/**
 * What an HTTP engine must be able to do. There are two: the lean one, which is made for this and is the usual, and
 * undici, as the reference that it is held against. One connection carries one request at a time. Pools, queues,
 * timeouts and cancelling are outside, the same for both.
 */
import type { Readable } from 'node:stream';
import type { KeptBody } from '../inspect/kept-bodies.js';
import type { Address } from './addresses.js';
import type { Dial, Dialer } from './dial.js';
import type { ResponseHead } from './response-head.js';

export interface UpstreamRequest {
  readonly method: string;
  /** Path and query as the provider knows them. */
  readonly target: string;
  /** A line for each header, each after a CR LF, in Latin-1; without host, connection and framing headers. */
  readonly headerLines: string;
  /** The body, or its beginning where `upload` follows, in pieces. An engine copies them: see UpstreamConnection.send. */
  pieces: readonly Uint8Array[];
  /** The pieces are gone as soon as the exchange's handler returns; else they stay as long as the exchange keeps its body. */
  readonly isLent: boolean;
  /** Where the only piece stands, with room for a head before it; null: elsewhere. */
  readonly place: KeptBody | null;
  /** Emits `progress` whenever something of it has been taken. */
  readonly upload: Readable | null;
  /** It does no harm where the provider has carried it out already (repeatable.ts). */
  readonly isRepeatable: boolean;
  /** Length of the whole body; -1 where it goes out in chunks. */
  readonly bodyBytes: number;
}

/** Called by a connection about the request that it carries. */
export interface ResponseHandler {
  /** The request's head is on its way. */
  onSent(): void;
  /** The final head; 1xx never arrive here. `atMs` is when it had been read, of core/clock.ts. */
  onHead(head: ResponseHead, atMs: number): void;
  /** The chunk is lent until onTurn or onEnd has returned. */
  onData(chunk: Buffer): void;
  /** Everything that one read brought has been told; more will come. `atMs` as above, of that read. */
  onTurn(atMs: number): void;
  /** `atMs` as above, of the read that brought the end. */
  onEnd(atMs: number): void;
  /** Nothing follows it. */
  onError(error: unknown): void;
}

export interface UpstreamConnection {
  /** False as soon as the connection is not to be used again. */
  readonly isUsable: boolean;
  /** Of its other end; shared by all connections to it. */
  readonly address: Address;
  /**
   * Only when the one before is over. The request's pieces may be memory that is gone as soon as this returns: they are
   * written or copied here.
   * @param keeps whether recallBody() may be asked for the body.
   */
  send(request: UpstreamRequest, handler: ResponseHandler, keeps: boolean): void;
  /**
   * For a call that failed: a copy of the body that was sent, if not a byte of an answer was read since and it is still
   * there. Empty where there was none.
   */
  recallBody(): Buffer | null;
  /** It was opened for no call: it waits for one as it does after an answer. */
  rest(): void;
  /** Stops the answer; at most what has been read already still arrives. */
  pause(): void;
  resume(): void;
  /** Closes at once, whatever runs. The handler is not told. */
  destroy(): void;
}

export interface ConnectionEvents {
  onOpen(connection: UpstreamConnection): void;
  /** Instead of onOpen. */
  onFailed(error: Error): void;
  /** The socket of an opened connection is gone; once. */
  onClosed(connection: UpstreamConnection): void;
}

/** Opens connections to one provider. */
export interface Engine {
  connect(dialer: Dialer, events: ConnectionEvents): Dial;
}

/** The length of a body's pieces together. */
export function countBytes(pieces: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const piece of pieces) {
    bytes += piece.length;
  }
  return bytes;
}

/**
 * What an HTTP engine must be able to do, so that another can take undici's place: one connection that carries
 * one request at a time. Pools, queues, timeouts and cancelling are outside, the same for every engine.
 */

import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';

export interface UpstreamRequest {
  readonly method: string;
  /** Path and query as the provider knows them. */
  readonly target: string;
  /** name, value, name, value …; without host, connection and, but for streams, framing headers. */
  readonly headers: readonly string[];
  /** Of a stream whose length is known the headers hold a content-length; any other goes out in chunks. */
  readonly body: Buffer | Readable | null;
}

/** Called by a connection about the request that it carries. */
export interface ResponseHandler {
  /** The request's head is on its way. */
  onSent(): void;
  /** The final head; 1xx never arrive here. `rawHeaders` is name, value, … as received, borrowed until return. */
  onHead(status: number, statusText: string, rawHeaders: readonly Buffer[]): void;
  /** The chunk is a view into a larger read: copy what is kept. */
  onData(chunk: Buffer): void;
  onEnd(): void;
  /** Nothing follows it. */
  onError(error: unknown): void;
}

export interface UpstreamConnection {
  /** False as soon as the connection is not to be used again. */
  readonly isUsable: boolean;
  /** Only when the one before is over. */
  send(request: UpstreamRequest, handler: ResponseHandler): void;
  /** Stops the answer; at most what has been read already still arrives. */
  pause(): void;
  resume(): void;
  /** Closes at once, whatever runs. The handler is not told. */
  destroy(): void;
}

/** Makes a connection of an open socket. `onClosed` is called once, when the socket is gone. */
export type Engine = (socket: Socket, onClosed: () => void) => UpstreamConnection;

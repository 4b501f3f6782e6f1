/**
 * The public port where balancers speak the PROXY protocol. uWebSockets.js can't be used for it (decision 0014), so what
 * comes in front of a connection is read here, before it: each connection is taken by a socket of Node's, and what
 * follows its header goes through another one, on this machine's loopback, to the listener. Who is behind which of those
 * is known by its port. TLS passes through unread.
 */
import { Buffer } from 'node:buffer';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { ListenAddress } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { nameCallerText } from './caller-address.js';
import { type ProxyVersions, readProxyHeader, readStranger } from './proxy-header.js';

/** What answers; see Listener. */
export interface InnerListener {
  /** @returns the port. */
  listen(host: string, port: number): number;
  close(): void;
}

export interface ProxyFrontOptions {
  readonly versions: ProxyVersions;
  /** By the text of its address. Asked for each connection: a reload may have changed it. */
  readonly isTrusted: (address: string) => boolean;
  /** +1 for each connection opened, -1 for each closed. */
  readonly onConnections: (delta: number) => void;
  /** Whether a connection that was just opened, and counted, may stay. It is told apart by who made it: the balancer. */
  readonly admitsConnection: (readAddress: () => string) => boolean;
  /** A connection was closed because of what it began with. */
  readonly onRefused: (peer: string, reason: string) => void;
  /** Whether further sockets may listen on the same port; off only in tests, for releases of Node that can't. */
  readonly sharesPort: boolean;
}

const INNER_HOST = '127.0.0.1';

export class ProxyFront {
  readonly #options: ProxyFrontOptions;
  readonly #listener: InnerListener;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** By the port of the inner connection. */
  readonly #peers: ProxiedPeers;
  #innerPort = 0;

  /** @param peers where the listener finds who is behind its connections. */
  constructor(listener: InnerListener, peers: ProxiedPeers, options: ProxyFrontOptions) {
    this.#listener = listener;
    this.#peers = peers;
    this.#options = options;
    // A client that has sent all and still reads is not gone; the listener decides about it as about its own.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true });
    this.#server.on('connection', (outer) => this.#take(outer));
    // The primary has tried the address; what may fail after that is an accept, and the next one is tried by itself.
    this.#server.on('error', () => {});
  }

  /** @returns the port. @throws Error when the address can't be listened on. */
  listen({ host, port }: ListenAddress): Promise<number> {
    this.#innerPort = this.#listener.listen(INNER_HOST, 0);
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(
        // The types of Node 20 do not know reusePort.
        { host, port, exclusive: true, reusePort: this.#options.sharesPort } as object,
        () => {
          this.#server.off('error', reject);
          const bound = this.#server.address();
          resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
        },
      );
    });
  }

  /** New connections are refused; those that are open go on. */
  stopListening(): void {
    if (this.#server.listening) this.#server.close();
  }

  /** Closes every connection that is left, at once. */
  close(): void {
    this.stopListening();
    for (const socket of this.#sockets) socket.destroy();
    this.#listener.close();
  }

  #take(outer: Socket): void {
    // The zone of an address of this link says nothing to others.
    const peer = outer.remoteAddress?.split('%')[0];
    this.#keep(outer);
    this.#options.onConnections(1);
    outer.once('close', () => this.#options.onConnections(-1));
    if (peer === undefined || !this.#options.admitsConnection(() => nameCallerText(peer))) {
      outer.destroy();
      return;
    }
    const isTrusted = this.#options.isTrusted(peer);
    let head: Buffer = Buffer.alloc(0);
    const refuse = (reason: string): void => {
      outer.destroy();
      this.#options.onRefused(peer, reason);
    };
    const timer = setTimeout(() => {
      if (isTrusted) refuse('its header does not come');
      else outer.destroy();
    }, BOUNDS.proxyHeaderMs);
    const onClose = (): void => clearTimeout(timer);
    const onEnd = (): void => void outer.destroy();
    const onData = (piece: Buffer): void => {
      head = head.length === 0 ? piece : Buffer.concat([head, piece]);
      const reading = isTrusted
        ? readProxyHeader(head, this.#options.versions)
        : readStranger(head);
      if (reading.kind === 'incomplete') return;
      if (reading.kind === 'wrong') {
        refuse(reading.reason);
        return;
      }
      clearTimeout(timer);
      outer.off('data', onData).off('end', onEnd).off('close', onClose).pause();
      this.#connect(outer, reading.source ?? peer, head.subarray(reading.bytes));
    };
    outer.on('data', onData).on('end', onEnd).on('close', onClose);
  }

  /** @param first what has been read of what is the listener's. */
  #connect(outer: Socket, client: string, first: Buffer): void {
    const inner = connect({ host: INNER_HOST, port: this.#innerPort, allowHalfOpen: true });
    this.#keep(inner);
    outer.once('close', () => inner.destroy());
    inner.once('connect', () => {
      const release = this.#peers.add(inner.localPort ?? 0, client);
      inner.once('close', release);
      inner.setNoDelay(true);
      if (first.length > 0) inner.write(first);
      outer.pipe(inner);
      inner.pipe(outer);
    });
    inner.once('close', () => {
      outer.unpipe(inner);
      endGently(outer);
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    // What an error means to the other side, the close after it tells.
    socket.on('error', () => {});
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

/**
 * The listener has closed. What the client has not taken yet it may take, but for as long as it does; what it still
 * sends is thrown away for a while, because a connection that is closed with bytes unread resets, and takes the answer
 * along.
 */
function endGently(outer: Socket): void {
  outer.setTimeout(BOUNDS.proxyLingerMs, () => outer.destroy());
  outer.resume();
  outer.end(() => {
    const timer = setTimeout(() => outer.destroy(), BOUNDS.proxyDiscardMs);
    outer.once('close', () => clearTimeout(timer));
  });
}

/** Who is at the far end of the connections that a listener has from the front, by their port on this machine. */
export class ProxiedPeers {
  readonly #byPort = new Map<number, { readonly address: string }>();

  /** @returns what takes it out again, unless another connection has the port by then. */
  add(port: number, address: string): () => void {
    const entry = { address };
    this.#byPort.set(port, entry);
    return () => {
      if (this.#byPort.get(port) === entry) this.#byPort.delete(port);
    };
  }

  /** null: another process of this machine has found the listener's port. */
  find(port: number): string | null {
    return this.#byPort.get(port)?.address ?? null;
  }
}

/**
 * Opens sockets to one provider: addresses, TCP, perhaps a proxy's tunnel, perhaps TLS. A dial can be cancelled at any
 * moment, which undici's own connector can't, and that is what ends a connection attempt within 50 ms of the client's
 * leaving (P-12).
 */
import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  connect as connectTls,
  createSecureContext,
  type TLSSocket,
} from 'node:tls';
import type { TlsMaterial } from '../config/model.js';
import { GatewayError } from '../core/errors.js';
import { type Address, HostAddresses, type Lookup } from './addresses.js';
import { ConnectRace } from './connect-race.js';
import { openTunnel, type ProxyAddress, ProxyRefusal, parseProxyUrl } from './tunnel.js';

export interface Dial {
  /** Ends the attempt; neither callback is called after it. */
  cancel(): void;
}

export interface DialEvents {
  /** `address` is the one that TCP leads to, the proxy's where there is one. */
  onOpen(socket: Socket, address: Address): void;
  /** Instead of onOpen. */
  onFailed(error: Error): void;
}

export interface DialerOptions {
  /** The provider's name, for messages. */
  readonly name: string;
  readonly baseUrl: URL;
  /** As configured; a secret. */
  readonly proxyUrl?: string | null;
  readonly tls?: TlsMaterial | null;
  /** In place of the system's resolver. */
  readonly lookup?: Lookup | undefined;
  readonly dnsTtlMs?: number | undefined;
}

export class Dialer {
  readonly addresses: HostAddresses;
  readonly #name: string;
  readonly #host: string;
  readonly #port: number;
  readonly #proxy: ProxyAddress | null;
  /** null: clear text. */
  readonly #tls: ConnectionOptions | null;
  /** The newest session ticket, so that a further connection saves a round trip and the certificate check. */
  #session: Buffer | undefined;

  constructor(options: DialerOptions) {
    const { baseUrl } = options;
    const isTls = baseUrl.protocol === 'https:';
    this.#name = options.name;
    this.#host = baseUrl.hostname.replace(/^\[|\]$/g, '');
    this.#port = baseUrl.port === '' ? (isTls ? 443 : 80) : Number(baseUrl.port);
    this.#proxy = typeof options.proxyUrl === 'string' ? parseProxyUrl(options.proxyUrl) : null;
    this.#tls = isTls ? createTlsOptions(this.#host, options.tls ?? null) : null;
    const first = this.#proxy?.host ?? this.#host;
    this.addresses = new HostAddresses(first, options.lookup, options.dnsTtlMs);
  }

  /** @param onread where reads go, for an engine that does without streams. */
  dial(events: DialEvents, onread?: OnReadOpts): Dial {
    let race: ConnectRace | null = null;
    let handshake: Dial | null = null;
    let isOver = false;
    const fail = (error: Error): void => {
      if (!isOver) {
        isOver = true;
        events.onFailed(this.#describe(error));
      }
    };
    this.addresses.get((error, addresses) => {
      if (isOver) {
        return;
      }
      if (error !== null) {
        fail(error);
        return;
      }
      race = new ConnectRace(addresses, {
        open: (address) => this.#createSocket(address, onread),
        onAddressFailed: (address) => this.addresses.noteFailed(address),
        onLost: fail,
        onWon: (socket, address) => {
          handshake = this.#shakeHands(
            socket,
            {
              onOpen: (opened) => {
                isOver = true;
                events.onOpen(opened, address);
              },
              onFailed: fail,
            },
            onread,
          );
        },
      });
      race.begin();
    });
    return {
      cancel: () => {
        if (!isOver) {
          isOver = true;
          race?.cancel();
          handshake?.cancel();
        }
      },
    };
  }

  close(): void {
    this.addresses.close();
  }

  /** What is left to do once TCP is connected. */
  #shakeHands(
    socket: Socket,
    events: { onOpen(socket: Socket): void; onFailed(error: Error): void },
    onread: OnReadOpts | undefined,
  ): Dial {
    if (this.#proxy !== null) {
      return this.#passProxy(this.#proxy, socket, events, onread);
    }
    if (this.#tls === null) {
      events.onOpen(socket);
      return { cancel: () => socket.destroy() };
    }
    return awaitSecure(socket, events);
  }

  /** Behind a proxy reads go through Node's streams: the socket served another purpose before. */
  #passProxy(
    proxy: ProxyAddress,
    socket: Socket,
    events: { onOpen(socket: Socket): void; onFailed(error: Error): void },
    onread: OnReadOpts | undefined,
  ): Dial {
    const host = isIP(this.#host) === 6 ? `[${this.#host}]` : this.#host;
    let handshake: Dial | null = null;
    const open = (opened: Socket): void => {
      if (onread !== undefined) {
        feed(opened, onread);
      }
      events.onOpen(opened);
    };
    const fail = (error: Error): void => {
      socket.destroy();
      events.onFailed(error);
    };
    const stop = openTunnel(
      socket,
      `${host}:${this.#port}`,
      proxy.authorization,
      () => {
        if (this.#tls === null) {
          open(socket);
        } else {
          const secure = this.#watchSession(
            connectTls({ ...this.#tls, ...this.#sessionOption(), socket }),
          );
          handshake = awaitSecure(secure, { onOpen: open, onFailed: fail });
        }
      },
      fail,
    );
    return {
      cancel: () => {
        if (handshake === null) {
          stop();
        }
        handshake?.cancel();
        socket.destroy();
      },
    };
  }

  #createSocket(to: Address, onread: OnReadOpts | undefined): Socket {
    const address = {
      host: to.host,
      port: this.#proxy?.port ?? this.#port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
    };
    if (this.#proxy !== null) {
      return connectTcp(address);
    }
    const direct = onread === undefined ? address : { ...address, onread };
    if (this.#tls === null) {
      return connectTcp(direct);
    }
    const socket = connectTls({ ...direct, ...this.#tls, ...this.#sessionOption() });
    // tls.connect leaves these two of net's options out.
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    return this.#watchSession(socket);
  }

  #sessionOption(): ConnectionOptions {
    return this.#session === undefined ? {} : { session: this.#session };
  }

  #watchSession(socket: TLSSocket): TLSSocket {
    return socket.on('session', (session) => {
      this.#session = session;
    });
  }

  #describe(error: Error): Error {
    if (!(error instanceof ProxyRefusal)) {
      return error;
    }
    const reason = error.status === null ? 'gave no valid answer' : `answered ${error.status}`;
    return new GatewayError(
      'upstream_refused',
      `Provider "${this.#name}" can’t be connected to: the proxy refused (it ${reason}).`,
    );
  }
}

/** A peer that vanished without a word is noticed by the kernel, not only by the idle timeout. */
const TCP_KEEP_ALIVE_MS = 60_000;

/** Made once: reading certificates anew for each connection would take milliseconds. */
function createTlsOptions(host: string, material: TlsMaterial | null): ConnectionOptions {
  const { ca, cert, key } = material ?? { ca: null, cert: null, key: null };
  return {
    ALPNProtocols: ['http/1.1'],
    secureContext: createSecureContext({
      ...(ca === null ? {} : { ca }),
      ...(cert === null || key === null ? {} : { cert, key }),
    }),
    // Of a host that is an address the certificate must name the address.
    ...(isIP(host) === 0 ? { servername: host } : { host }),
  };
}

function awaitSecure(
  socket: Socket,
  events: { onOpen(socket: Socket): void; onFailed(error: Error): void },
): Dial {
  let isOver = false;
  const fail = (error: Error): void => {
    if (!isOver) {
      isOver = true;
      socket.destroy();
      events.onFailed(error);
    }
  };
  socket.on('error', fail);
  socket.once('secureConnect', () => {
    if (!isOver) {
      isOver = true;
      socket.off('error', fail);
      events.onOpen(socket);
    }
  });
  return {
    cancel: () => {
      isOver = true;
      socket.destroy();
    },
  };
}

/** Hands what a stream reads to an engine that expects it in its own buffer. */
function feed(socket: Socket, { buffer, callback }: OnReadOpts): void {
  const target = buffer as Uint8Array;
  socket.on('data', (bytes: Buffer) => {
    for (let at = 0; at < bytes.length && !socket.destroyed; at += target.length) {
      const piece = bytes.subarray(at, at + target.length);
      target.set(piece);
      callback(piece.length, target);
    }
  });
  // Paused since the proxy's answer was read.
  socket.resume();
}

/**
 * Opens sockets to one provider, in clear text or TLS. A dial can be cancelled at any moment, which undici's own
 * connector can't, and that is what ends a connection attempt within 50 ms of the client's leaving (P-12).
 */
import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface Dial {
  /** Ends the attempt; neither callback is called after it. */
  cancel(): void;
}

export interface DialEvents {
  onOpen(socket: Socket): void;
  /** Instead of onOpen. */
  onFailed(error: Error): void;
}

export class Dialer {
  readonly #host: string;
  readonly #port: number;
  readonly #isTls: boolean;
  /** The newest session ticket, so that a further connection saves a round trip and the certificate check. */
  #session: Buffer | undefined;

  constructor(baseUrl: URL) {
    this.#isTls = baseUrl.protocol === 'https:';
    this.#host = baseUrl.hostname.replace(/^\[|\]$/g, '');
    this.#port = baseUrl.port === '' ? (this.#isTls ? 443 : 80) : Number(baseUrl.port);
  }

  /** @param onread where reads go, for an engine that does without streams. */
  dial(events: DialEvents, onread?: OnReadOpts): Dial {
    let isOver = false;
    const socket = this.#createSocket(onread);
    const succeed = (): void => {
      isOver = true;
      socket.off('error', fail);
      events.onOpen(socket);
    };
    const fail = (error: Error): void => {
      if (!isOver) {
        isOver = true;
        socket.destroy();
        events.onFailed(error);
      }
    };
    socket.once(this.#isTls ? 'secureConnect' : 'connect', succeed);
    socket.on('error', fail);
    return {
      cancel: () => {
        if (!isOver) {
          isOver = true;
          socket.destroy();
        }
      },
    };
  }

  #createSocket(onread: OnReadOpts | undefined): Socket {
    const address = {
      host: this.#host,
      port: this.#port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
      ...(onread === undefined ? {} : { onread }),
    };
    if (!this.#isTls) {
      return connectTcp(address);
    }
    const socket = connectTls({
      ...address,
      ALPNProtocols: ['http/1.1'],
      ...(isIP(this.#host) === 0 ? { servername: this.#host } : {}),
      ...(this.#session === undefined ? {} : { session: this.#session }),
    });
    // tls.connect leaves these two of net's options out.
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    socket.on('session', (session) => {
      this.#session = session;
    });
    return socket;
  }
}

/** A peer that vanished without a word is noticed by the kernel, not only by the idle timeout. */
const TCP_KEEP_ALIVE_MS = 60_000;

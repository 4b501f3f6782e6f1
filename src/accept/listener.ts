/**
 * One uWebSockets.js app of one thread: takes connections of its own port or from the primary's acceptor,
 * and hands every request to one function. The caller of a request is never told anything here.
 */
import type { TemplatedApp, us_listen_socket } from 'uWebSockets.js';
import type { RequestHead } from '../exchange.js';
import { readCallerAddress } from './caller-address.js';
import { Downstream } from './downstream.js';
import { copyHead } from './head.js';
import { type AcceptorApp, hasAcceptorCalls, uWS } from './uws.js';

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

export interface ListenerOptions {
  readonly tls: TlsFiles | null;
  /** Whether heads say where they come from; asking the system costs a call each time. Read for each request. */
  readonly readsAddress: boolean;
  /** Must not throw; if it does, the connection is cut and onFault is told. */
  readonly onRequest: (downstream: Downstream, head: RequestHead) => void;
  readonly onFault: (error: unknown) => void;
  /** +1 for each connection opened, -1 for each closed. */
  readonly onConnections: (delta: number) => void;
  /**
   * Whether a connection that was just opened, and counted, may stay; one that may not is closed at once. It may ask for
   * the client's address, as caller-address.ts names it, before it returns. Left out: all may.
   */
  readonly admitsConnection?: (readAddress: () => string) => boolean;
}

export class Listener {
  readonly #app: TemplatedApp;
  #socket: us_listen_socket | null = null;

  constructor(options: ListenerOptions) {
    const { tls } = options;
    this.#app =
      tls === null ? uWS.App() : uWS.SSLApp({ cert_file_name: tls.cert, key_file_name: tls.key });
    // biome-ignore lint/suspicious/useIterableCallbackReturn: it is uWebSockets.js's filter, not an array's
    this.#app.filter((response, delta) => {
      options.onConnections(Number(delta));
      const readAddress = (): string => readCallerAddress(response);
      if (Number(delta) > 0 && options.admitsConnection?.(readAddress) === false) {
        response.close();
      }
    });
    this.#app.any('/*', (response, request) => {
      // The Downstream attaches onAborted; nothing may come before it (U-1).
      const downstream = new Downstream(response);
      try {
        const address = options.readsAddress ? readCallerAddress(response) : '';
        options.onRequest(downstream, copyHead(request, address));
      } catch (error) {
        downstream.cut();
        options.onFault(error);
      }
    });
  }

  /**
   * Listens with SO_REUSEPORT, so that every worker can listen on the same port, and during an upgrade the next server;
   * unless exclusively.
   *
   * @returns the port; differs from the one asked for if that was 0.
   * @throws Error when the address can't be listened on. The primary has tried it before and knows why.
   */
  listen(host: string, port: number, exclusively = false): number {
    let listening: us_listen_socket | false = false;
    const onListening = (socket: us_listen_socket | false): void => {
      listening = socket;
    };
    if (exclusively) {
      listenWithOptions(this.#app, host, port, onListening);
    } else {
      this.#app.listen(host, port, onListening);
    }
    if (listening === false) {
      throw new Error(`can’t listen on ${host}:${port}`);
    }
    this.#socket = listening;
    return uWS.us_socket_local_port(listening);
  }

  /** Whether this binary can take connections from an acceptor and be one. */
  get canShard(): boolean {
    return hasAcceptorCalls(this.#app);
  }

  /** To be handed to the acceptor in another thread. */
  getDescriptor(): unknown {
    return this.#acceptorApp().getDescriptor();
  }

  /** From now on connections that this app accepts go to its children in turn. */
  addChild(descriptor: unknown): void {
    this.#acceptorApp().addChildAppDescriptor(descriptor);
  }

  /** Must have happened before the child's thread ends, else the next accept ends the process (T-1). */
  removeChild(descriptor: unknown): void {
    this.#acceptorApp().removeChildAppDescriptor(descriptor);
  }

  /** New connections are refused; those that are open go on. */
  stopListening(): void {
    if (this.#socket !== null) {
      uWS.us_listen_socket_close(this.#socket);
      this.#socket = null;
    }
  }

  /** Closes every connection that is left, at once. */
  close(): void {
    this.stopListening();
    this.#app.close();
  }

  #acceptorApp(): AcceptorApp {
    if (!hasAcceptorCalls(this.#app)) {
      throw new Error('this uWebSockets.js binary has no acceptor calls');
    }
    return this.#app;
  }
}

/** The package's types leave out the form with host, port and options, which the binary has. */
function listenWithOptions(
  app: TemplatedApp,
  host: string,
  port: number,
  onListening: (socket: us_listen_socket | false) => void,
): void {
  const listen = app.listen as unknown as (
    host: string,
    port: number,
    options: number,
    onListening: (socket: us_listen_socket | false) => void,
  ) => TemplatedApp;
  listen.call(app, host, port, uWS.ListenOptions?.LIBUS_LISTEN_EXCLUSIVE_PORT ?? 1, onListening);
}

/**
 * One uWebSockets.js app: its handlers, its listening socket, its open connections. A listener has one, and beside it,
 * for a while, those of former certificates: an app never changes its own.
 */
import type { HttpResponse, TemplatedApp, us_listen_socket } from 'uWebSockets.js';
import type { RequestHead } from '../exchange.js';
import { type ClientAddresses, NOT_ASKED, readCaller } from './caller-address.js';
import { Downstream } from './downstream.js';
import { copyHead } from './head.js';
import type { ProxiedPeers } from './proxy-front.js';
import { type CertifiedResponse, uWS } from './uws.js';

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Of the authorities whose certificates clients may show; null: none is asked for. */
  readonly clientCa: string | null;
  /** `require`: requests of connections without a certificate are marked (Downstream.lacksCertificate). */
  readonly clientAuth: 'require' | 'request';
}

export interface FrontAppOptions {
  readonly tls: TlsFiles | null;
  /** Tells who a request is from; null where nobody asks, because asking the system costs a call each time. */
  readonly addresses: ClientAddresses | null;
  /** null: connections come straight from those who made them. */
  readonly peers: ProxiedPeers | null;
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

/**
 * What uWebSockets.js's BoringSSL offers for TLS 1.2 by itself includes CBC; this is Mozilla's intermediate list without
 * finite-field Diffie-Hellman, which it does not have. TLS 1.3 has suites of its own; older versions it refuses.
 */
const TLS_12_CIPHERS = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

export class FrontApp {
  readonly app: TemplatedApp;
  #socket: us_listen_socket | null = null;
  #connections = 0;
  #onEmpty: (() => void) | null = null;

  /** @throws Error where the files of `tls` can’t be used; uWebSockets.js does not say why. */
  constructor(options: FrontAppOptions) {
    const { tls } = options;
    this.app = tls === null ? uWS.App() : createTlsApp(tls);
    const mustCertify = tls !== null && tls.clientCa !== null && tls.clientAuth === 'require';
    // biome-ignore lint/suspicious/useIterableCallbackReturn: it is uWebSockets.js's filter, not an array's
    this.app.filter((response, delta) => {
      this.#count(Number(delta));
      options.onConnections(Number(delta));
      if (Number(delta) > 0 && options.admitsConnection?.(() => readCaller(response)) === false) {
        response.close();
      }
    });
    this.app.any('/*', (response, request) => {
      // The Downstream attaches onAborted; nothing may come before it (U-1).
      const downstream = new Downstream(response);
      try {
        downstream.endsConnection = this.#onEmpty !== null;
        downstream.lacksCertificate = mustCertify && !hasCertificate(response);
        // Read for each request: a reload may have changed it.
        const { addresses } = options;
        const peer = addresses === null ? NOT_ASKED : addresses.readPeer(response, options.peers);
        options.onRequest(downstream, copyHead(request, addresses, peer));
      } catch (error) {
        downstream.cut();
        options.onFault(error);
      }
    });
  }

  /** @returns the port. @throws Error when the address can't be listened on. */
  listen(host: string, port: number, exclusively: boolean): number {
    let listening: us_listen_socket | false = false;
    const onListening = (socket: us_listen_socket | false): void => {
      listening = socket;
    };
    if (exclusively) {
      listenWithOptions(this.app, host, port, onListening);
    } else {
      this.app.listen(host, port, onListening);
    }
    if (listening === false) {
      throw new Error(`can’t listen on ${host}:${port}`);
    }
    this.#socket = listening;
    return uWS.us_socket_local_port(listening);
  }

  /** New connections are refused; those that are open go on. */
  stopListening(): void {
    if (this.#socket !== null) {
      uWS.us_listen_socket_close(this.#socket);
      this.#socket = null;
    }
  }

  /** Another app takes the new connections; clients are told to leave this one, and the last that does closes it. */
  retire(onEmpty: () => void): void {
    this.stopListening();
    this.#onEmpty = onEmpty;
    this.#count(0);
  }

  /** Closes every connection that is left, at once. */
  close(): void {
    this.stopListening();
    this.#onEmpty = null;
    this.app.close();
  }

  #count(delta: number): void {
    this.#connections += delta;
    if (this.#connections === 0 && this.#onEmpty !== null) {
      // An app must not be closed out of a handler of its own.
      setImmediate(this.#onEmpty);
    }
  }
}

function createTlsApp(tls: TlsFiles): TemplatedApp {
  return uWS.SSLApp({
    cert_file_name: tls.cert,
    key_file_name: tls.key,
    ssl_ciphers: TLS_12_CIPHERS,
    ...(tls.clientCa === null ? {} : { ca_file_name: tls.clientCa }),
  });
}

/** With authorities uWebSockets.js refuses certificates of others, but lets in clients that show none at all. */
function hasCertificate(response: HttpResponse): boolean {
  const { getX509Certificate } = response as CertifiedResponse;
  // A binary that can't tell lets nobody in: Primary refuses to start with it.
  return getX509Certificate !== undefined && getX509Certificate.call(response) !== '';
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

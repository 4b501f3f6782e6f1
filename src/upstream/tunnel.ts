/** Asks an HTTP proxy for a tunnel (CONNECT, RFC 9110 section 9.3.6) over a socket that is connected to it. */
import type { Socket } from 'node:net';
import { BOUNDS } from '../core/bounds.js';

export interface ProxyAddress {
  readonly host: string;
  readonly port: number;
  /** The value of proxy-authorization; null where the URL has no user. A secret. */
  readonly authorization: string | null;
}

/** @param url with scheme http, as the configuration has checked it. */
export function parseProxyUrl(url: string): ProxyAddress {
  const { hostname, port, username, password } = new URL(url);
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? 80 : Number(port),
    authorization:
      username === '' && password === ''
        ? null
        : `Basic ${Buffer.from(credentials).toString('base64')}`,
  };
}

/** Says nothing that the proxy said but its status: the rest may repeat what it was told. */
export class ProxyRefusal extends Error {
  /** null: what it answered is no HTTP, or too long, or it closed the connection. */
  readonly status: number | null;

  constructor(status: number | null) {
    super(status === null ? 'the proxy gave no valid answer' : `the proxy answered ${status}`);
    this.name = 'ProxyRefusal';
    this.status = status;
  }
}

const END_OF_HEAD = '\r\n\r\n';

/**
 * @param authority host:port of the provider.
 * @param onOpen called when the socket leads to the provider and nothing was read of it.
 * @param onFailed instead of onOpen. The socket is left open.
 * @returns ends the attempt without a call of either.
 */
export function openTunnel(
  socket: Socket,
  authority: string,
  authorization: string | null,
  onOpen: () => void,
  onFailed: (error: Error) => void,
): () => void {
  let head = '';
  const stop = (): void => {
    socket.off('data', read);
    socket.off('end', end);
    socket.off('close', end);
    socket.off('error', fail);
    socket.on('error', ignore);
    socket.pause();
  };
  const fail = (error: Error): void => {
    stop();
    onFailed(error);
  };
  const end = (): void => fail(new ProxyRefusal(null));
  const read = (bytes: Buffer): void => {
    head += bytes.toString('latin1');
    const at = head.indexOf(END_OF_HEAD);
    if (at < 0) {
      if (head.length > BOUNDS.proxyHeadBytesMax) {
        fail(new ProxyRefusal(null));
      }
      return;
    }
    const status = /^HTTP\/1\.[01] ([1-9]\d\d)(?: |\r)/.exec(head)?.[1];
    const isOpen = status?.startsWith('2') === true;
    const isExact = at + END_OF_HEAD.length === head.length;
    if (isOpen && isExact) {
      stop();
      socket.off('error', ignore);
      onOpen();
    } else {
      // Whoever speaks before it is asked is no provider.
      fail(new ProxyRefusal(isOpen || status === undefined ? null : Number(status)));
    }
  };
  socket.on('data', read);
  socket.on('end', end);
  socket.on('close', end);
  socket.on('error', fail);
  const authorizationLine =
    authorization === null ? '' : `proxy-authorization: ${authorization}\r\n`;
  socket.write(
    `CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${authorizationLine}\r\n`,
    'latin1',
  );
  return stop;
}

function ignore(): void {}

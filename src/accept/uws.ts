/**
 * The door to uWebSockets.js: what the loaded binary can do is asked here, at run time, and nowhere
 * assumed (docs/decisions/0001). Loading it reads UWS_HTTP_MAX_HEADERS_SIZE from the real environment,
 * so the primary sets that before the first import.
 */

import type { HttpResponse, TemplatedApp } from 'uWebSockets.js';
import uWS from 'uWebSockets.js';

/** The acceptor calls, which the package's own types leave out and older binaries do not have. */
export interface AcceptorApp extends TemplatedApp {
  getDescriptor(): unknown;
  addChildAppDescriptor(descriptor: unknown): void;
  removeChildAppDescriptor(descriptor: unknown): void;
}

export function hasAcceptorCalls(app: TemplatedApp): app is AcceptorApp {
  const candidate = app as Partial<AcceptorApp>;
  return (
    typeof candidate.addChildAppDescriptor === 'function' &&
    typeof candidate.removeChildAppDescriptor === 'function' &&
    typeof candidate.getDescriptor === 'function'
  );
}

/** What the package's own types leave out and older binaries do not have. */
export interface CertifiedResponse extends HttpResponse {
  /** In PEM, also where the session was resumed; empty where the client has shown none. */
  getX509Certificate?(): string;
}

/** As getX509Certificate(). */
export interface PortedResponse extends HttpResponse {
  /** Of the other end of the connection. */
  getRemotePort?(): number;
}

/** Whether a connection's client certificate can be asked for: the calls came with the same releases. */
export function canReadCertificates(): boolean {
  const app = uWS.App();
  try {
    return hasAcceptorCalls(app);
  } finally {
    app.close();
  }
}

export { uWS };

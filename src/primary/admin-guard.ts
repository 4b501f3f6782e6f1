/**
 * Who may ask what of the admin port. With a token everything needs it but the health checks, which then say no more than
 * yes or no. Without one the port is on loopback, and what has to be kept out is a web page in an operator's browser:
 * by the host name that it was loaded under (DNS rebinding), and by the origin that it sends along.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isLoopback } from '../config/address.js';
import { BOUNDS } from '../core/bounds.js';

export interface AdminRefusal {
  readonly status: 401 | 403;
  readonly error: 'unauthorized' | 'foreign_host' | 'foreign_origin';
}

/** Asked by orchestrators, which have no token. */
export const OPEN_PATHS: ReadonlySet<string> = new Set(['/healthz', '/readyz']);

export class AdminGuard {
  /** SHA-256 of the token, so that comparing takes as long whatever is sent. */
  readonly #digest: Buffer | null;

  /** @param token null: none is asked for. */
  constructor(token: string | null) {
    this.#digest = token === null ? null : hash(token);
  }

  /** Whether the request may see more than yes or no. */
  isTrusted(headers: IncomingHttpHeaders): boolean {
    return this.#digest === null ? isLocalName(headers.host) : this.#hasToken(headers);
  }

  /** null: it may go on. */
  judge(path: string, isReading: boolean, headers: IncomingHttpHeaders): AdminRefusal | null {
    if (OPEN_PATHS.has(path)) return null;
    if (!this.isTrusted(headers)) {
      return this.#digest === null
        ? { status: 403, error: 'foreign_host' }
        : { status: 401, error: 'unauthorized' };
    }
    return isReading || isOwnOrigin(headers) ? null : { status: 403, error: 'foreign_origin' };
  }

  #hasToken({ authorization = '' }: IncomingHttpHeaders): boolean {
    if (authorization.length > BOUNDS.adminTokenBytesMax) return false;
    const [, sent] = /^Bearer +(\S+)$/i.exec(authorization) ?? [];
    return this.#digest !== null && timingSafeEqual(hash(sent ?? ''), this.#digest);
  }
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text, 'latin1').digest();
}

/** `localhost:8081`, `127.0.0.1`, `[::1]:8081`: what a tunnel to this machine is called, and never a page's domain. */
function isLocalName(host: string | undefined): boolean {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/.exec(host ?? '') ?? [];
  return isLoopback(bracketed ?? plain ?? '');
}

/** Browsers send an origin with whatever changes something; a page served here has this port's. */
function isOwnOrigin({ origin, host, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false;
  return origin === undefined || origin === `http://${host}` || origin === `https://${host}`;
}

/** The files of `listen.tls`: whether they can be served with, and until when. Never a byte of the key in a message. */
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { PublicTls } from '../config/model.js';
import { OperatorError } from '../core/errors.js';

export interface PublicCertificate {
  /** Of all that the files hold; another one means that something has changed. */
  readonly digest: string;
  /** End of the first certificate's validity, in ms since the Unix epoch. */
  readonly notAfterMs: number;
}

/** @throws OperatorError when a file can't be read, or certificate and key do not fit. */
export function readPublicCertificate(tls: PublicTls): PublicCertificate {
  const cert = readPem('certificate', tls.cert);
  const key = readPem('key', tls.key);
  const ca = tls.clientCa === null ? null : readPem('client_ca', tls.clientCa);
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw new OperatorError(`listen.tls: ${tls.cert} with ${tls.key}: ${describe(error)}`);
  }
  if (ca !== null) checkAuthorities(tls.clientCa ?? '', ca);
  const hash = createHash('sha256');
  for (const file of [cert, key, ca ?? Buffer.alloc(0)])
    hash.update(`${file.length}:`).update(file);
  return {
    digest: hash.digest('hex'),
    notAfterMs: Date.parse(new X509Certificate(cert).validTo),
  };
}

function checkAuthorities(file: string, pem: Buffer): void {
  try {
    new X509Certificate(pem);
  } catch {
    throw new OperatorError(`listen.tls: client_ca ${file} holds no certificate in PEM`);
  }
}

function readPem(what: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new OperatorError(`listen.tls: the ${what} can’t be read: ${describe(error)}`);
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

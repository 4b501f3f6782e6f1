/** The PEM files of a provider's `tls`: the primary checks them at the start, each worker reads them for its own use. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { OperatorError } from '../core/errors.js';
import type { ProviderConfig, TlsMaterial } from './model.js';

const CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END [A-Z0-9 ]*-----/g;

type Field = keyof TlsMaterial;
type Provider = Pick<ProviderConfig, 'name' | 'tls'>;

/** @throws OperatorError where a file can't be read. null: the provider has no `tls`. */
export function readTlsFiles(provider: Provider): TlsMaterial | null {
  const { tls } = provider;
  if (tls === null) return null;
  return {
    ca: tls.ca === null ? null : readPem(provider, 'ca', tls.ca),
    cert: tls.cert === null ? null : readPem(provider, 'cert', tls.cert),
    key: tls.key === null ? null : readPem(provider, 'key', tls.key),
  };
}

/** @throws OperatorError, of one line and without a byte of a file, for whatever would fail with each connection. */
export function checkTlsFiles(provider: Provider): void {
  const material = readTlsFiles(provider);
  if (material === null) return;
  const { ca, cert, key } = material;
  if (ca !== null) readCertificates(provider, 'ca', ca);
  if (cert === null || key === null) return;
  const [own] = readCertificates(provider, 'cert', cert);
  const privateKey = readKey(provider, key);
  if (own?.checkPrivateKey(privateKey) !== true) {
    throw refuse(provider, 'key', 'does not belong to the certificate of tls.cert');
  }
}

function readPem(provider: Provider, field: Field, file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw refuse(provider, field, 'no such file');
    if (code === 'EISDIR') throw refuse(provider, field, 'is a directory; expected a PEM file');
    if (code === 'EACCES' || code === 'EPERM') {
      throw refuse(provider, field, 'may not be read (permission denied)');
    }
    throw refuse(provider, field, `cannot be read (${String(code)})`);
  }
}

function readCertificates(provider: Provider, field: Field, pem: string): X509Certificate[] {
  const blocks = pem.match(CERTIFICATE) ?? [];
  if (blocks.length === 0) throw refuse(provider, field, 'holds no certificate in PEM');
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw refuse(provider, field, `certificate ${index + 1} in it is not valid`);
    }
  });
}

function readKey(provider: Provider, pem: string): KeyObject {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    throw refuse(provider, 'key', 'holds no private key in PEM');
  }
  if (pem.includes('ENCRYPTED')) {
    throw refuse(provider, 'key', 'is encrypted; Weir asks for no passphrase');
  }
  try {
    return createPrivateKey(pem);
  } catch {
    throw refuse(provider, 'key', 'holds a private key that is not valid');
  }
}

function refuse({ name, tls }: Provider, field: Field, reason: string): OperatorError {
  return new OperatorError(`providers.${name}.tls.${field}: ${tls?.[field] ?? ''}: ${reason}`);
}

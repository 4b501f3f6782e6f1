/** Certificates for tests, made by openssl on the spot: none expires in the repository. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
const NAMES = 'subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:provider.test';

/** Self-signed, for 127.0.0.1, localhost and provider.test, valid for a day. */
export function makeCertificate(folder: string, name: string): Certificate {
  const cert = join(folder, `${name}.crt`);
  const key = join(folder, `${name}.key`);
  const wish = ['req', '-x509', '-nodes', '-days', '1', '-subj', '/CN=weir.test'];
  execFileSync('openssl', [...wish, ...CURVE, '-addext', NAMES, '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  });
  return { cert, key };
}

/** For the same names, signed by an authority that makeCertificate() made; for servers and for clients. */
export function signCertificate(folder: string, name: string, authority: Certificate): Certificate {
  const cert = join(folder, `${name}.crt`);
  const key = join(folder, `${name}.key`);
  const request = join(folder, `${name}.csr`);
  const extensions = join(folder, `${name}.ext`);
  writeFileSync(extensions, `${NAMES}\n`);
  const wish = ['req', '-nodes', '-subj', `/CN=${name}`];
  execFileSync('openssl', [...wish, ...CURVE, '-keyout', key, '-out', request], {
    stdio: 'ignore',
  });
  const by = ['-CA', authority.cert, '-CAkey', authority.key, '-CAcreateserial'];
  const about = ['-days', '1', '-extfile', extensions, '-in', request, '-out', cert];
  execFileSync('openssl', ['x509', '-req', ...by, ...about], { stdio: 'ignore' });
  return { cert, key };
}

/** Certificates for tests, made by openssl on the spot: none expires in the repository. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Self-signed, for 127.0.0.1 and localhost, valid for a day. */
export function makeCertificate(folder: string, name: string): Certificate {
  const cert = join(folder, `${name}.crt`);
  const key = join(folder, `${name}.key`);
  const wish = ['req', '-x509', '-nodes', '-days', '1', '-subj', '/CN=weir.test'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
  execFileSync('openssl', [...wish, ...curve, ...names, '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  });
  return { cert, key };
}

/** The certificates of the scenario tls, made for the run by a CA of its own. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeScratchDir } from './proxies.js';

/** @typedef {{ ca: string, cert: string, key: string }} Certificates paths of PEM files */

/** @param {string[]} args @param {string} cwd */
function runOpenssl(args, cwd) {
  execFileSync('openssl', args, { cwd, stdio: ['ignore', 'ignore', 'pipe'], timeout: 20_000 });
}

/** @returns {Certificates} */
export function makeCertificates() {
  const dir = makeScratchDir();
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = ['-subj', '/CN=bench CA', '-addext', 'basicConstraints=critical,CA:TRUE'];
  const ca = ['-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', ...authority];
  runOpenssl(['req', '-x509', ...newKey, ...ca], dir);
  const request = ['-keyout', 'key.pem', '-out', 'leaf.csr', '-subj', '/CN=localhost'];
  runOpenssl(['req', '-new', ...newKey, ...request], dir);
  writeFileSync(path.join(dir, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2'];
  const leaf = ['-in', 'leaf.csr', '-out', 'cert.pem', '-extfile', 'names'];
  runOpenssl(['x509', '-req', ...leaf, ...signed], dir);
  const at = (/** @type {string} */ name) => path.join(dir, name);
  return { ca: at('ca.pem'), cert: at('cert.pem'), key: at('key.pem') };
}

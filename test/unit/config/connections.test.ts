/** What a provider's `tls`, `proxy_url` and `connections.warm` may say, and what the operator reads otherwise. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ProviderTls } from '../../../src/config/model.js';
import { checkTlsFiles, readTlsFiles } from '../../../src/config/pem-files.js';
import { type Certificate, makeCertificate } from '../../helpers/certificates.js';
import { messageOf, refusalsOf } from '../../helpers/config-refusals.js';

function refusalsOfProvider(fields: string, baseUrl = 'https://a/v1', env = {}): string[] {
  const text = `providers:\n  p: { dialect: openai, base_url: "${baseUrl}", ${fields} }\nmodels: { m: { provider: p } }\n`;
  return refusalsOf(text, env).map((line) => line.replace(/^w\.yaml:2:\d+: /, ''));
}

test('tls: half a pair, nothing to encrypt, an unknown key', () => {
  const cases: readonly (readonly [fields: string, said: string, baseUrl?: string])[] = [
    ['tls: { cert: a }', 'providers.p.tls.cert: cannot stand without key'],
    ['tls: { key: a }', 'providers.p.tls.key: cannot stand without cert'],
    ['tls: { ca: a }', 'providers.p.tls: has no meaning beside an http:// base_url', 'http://a/v1'],
    ['tls: { ac: a }', 'providers.p.tls.ac: unknown key. Did you mean "ca"?'],
    ['tls: { ca: "" }', 'providers.p.tls.ca: expected the path of a PEM file; got ""'],
    ['connections: { max: 5, warm: 6 }', 'providers.p.connections.warm: must not be above max (5)'],
    [
      'connections: { warm: -1 }',
      'providers.p.connections.warm: expected a whole number from 0 to 1000000; got -1',
    ],
  ];
  for (const [fields, said, baseUrl] of cases) {
    assert.deepEqual(refusalsOfProvider(fields, baseUrl), [said], fields);
  }
  for (const fields of [
    'tls: {}',
    'tls: { ca: a }',
    'tls: { cert: a, key: b }',
    'connections: { max: 5, warm: 5 }',
    'proxy_url: ""',
    'proxy_url: "http://proxy.test"',
    'proxy_url: "http://[::1]:3128/"',
  ]) {
    assert.deepEqual(refusalsOfProvider(fields), ['(loaded)'], fields);
  }
});

test('proxy_url: no refusal repeats what it says', () => {
  const expected =
    'providers.p.proxy_url: expected an http:// URL with host and port, maybe with a user and a password';
  for (const url of ['me:hidden', 'https://me:hidden@a', 'socks5://me:hidden@a', 'http://a b@c']) {
    assert.deepEqual(refusalsOfProvider(`proxy_url: "${url}"`), [`${expected}; got a text`], url);
  }
  const said = [
    ...refusalsOfProvider('proxy_url: "http://me:hidden@a/path"'),
    ...refusalsOfProvider('proxy_url: "http://me:hidden%zz@a"'),
    ...refusalsOfProvider('proxy_url: "${P}"', undefined, { P: 'ftp://hidden' }),
  ];
  assert.deepEqual(said, [
    'providers.p.proxy_url: must not hold a path, a query or a fragment',
    'providers.p.proxy_url: the user name or the password holds a % that begins no escape (not shown)',
    `${expected}; got what \${P} holds`,
  ]);
});

let folder = '';
let own: Certificate;
let other: Certificate;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-pem-'));
  own = makeCertificate(folder, 'own');
  other = makeCertificate(folder, 'other');
});

after(() => rmSync(folder, { recursive: true, force: true }));

function place(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const checkOf = (tls: Partial<ProviderTls>): string =>
  messageOf(() =>
    checkTlsFiles({ name: 'p', tls: { ca: null, cert: null, key: null, ...tls } }),
  ).replaceAll(folder, '');

test('PEM files that fit are read; a bundle of authorities too', () => {
  const [a, b] = [readFileSync(own.cert, 'latin1'), readFileSync(other.cert, 'latin1')];
  const ca = place('bundle.pem', `# two of them\n${a}\nsome words\n${b}`);
  const tls = { ca, cert: own.cert, key: own.key };
  checkTlsFiles({ name: 'p', tls });
  assert.equal(readTlsFiles({ name: 'p', tls })?.key, readFileSync(own.key, 'latin1'));
  assert.equal(readTlsFiles({ name: 'p', tls: null }), null);
});

test('every mistake in a PEM file is said in one line, without a byte of the file', () => {
  const encrypted = join(folder, 'encrypted.key');
  execFileSync('openssl', [
    'pkey',
    '-aes256',
    '-passout',
    'pass:x',
    '-in',
    own.key,
    '-out',
    encrypted,
  ]);
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  const half = readFileSync(own.key, 'latin1').replace(/\n.*\n-----END/, '\n-----END');
  const good = readFileSync(own.cert, 'latin1');
  const { cert } = own;
  const cases: readonly (readonly [tls: Partial<ProviderTls>, said: string])[] = [
    [{ ca: join(folder, 'none.pem') }, 'ca: /none.pem: no such file'],
    [{ ca: folder }, 'ca: : is a directory; expected a PEM file'],
    [{ ca: place('words.pem', 'words') }, 'ca: /words.pem: holds no certificate in PEM'],
    [{ ca: place('empty.pem', '') }, 'ca: /empty.pem: holds no certificate in PEM'],
    [{ ca: own.key }, 'ca: /own.key: holds no certificate in PEM'],
    [{ ca: place('b.pem', good + broken) }, 'ca: /b.pem: certificate 2 in it is not valid'],
    [{ cert, key: own.cert }, 'key: /own.crt: holds no private key in PEM'],
    [{ cert, key: encrypted }, 'key: /encrypted.key: is encrypted; Weir asks for no passphrase'],
    [{ cert, key: place('h.key', half) }, 'key: /h.key: holds a private key that is not valid'],
    [{ cert, key: other.key }, 'key: /other.key: does not belong to the certificate of tls.cert'],
  ];
  for (const [tls, said] of cases) {
    assert.equal(checkOf(tls), `providers.p.tls.${said}`);
  }
});

/** What can't be started is refused: one message that says why, exit code 2, nothing left running. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type Certificate, makeCertificate } from '../helpers/certificates.js';
import { type CommandOptions, runWeir, ScratchFolder } from '../helpers/command.js';
import { proxyConfig, startGateway } from '../helpers/gateway.js';
import { tryConnect } from '../helpers/load.js';
import { hasProgram, skipUnless } from '../helpers/need.js';

/** Nobody is called: none of these gets as far. */
const PROXY = proxyConfig('http://127.0.0.1:9/v1');
const NODE_HAS_ACCEPTOR = Number(process.versions.node.split('.')[0]) >= 22;

const scratch = new ScratchFolder();
let held: Server;
let heldPort = 0;
let certificate: Certificate;
let other: Certificate;

async function assertRefused(
  config: object,
  message: RegExp,
  options: CommandOptions = {},
): Promise<void> {
  const file = scratch.write(
    'weir.yaml',
    JSON.stringify({
      listen: '127.0.0.1:0',
      admin: '127.0.0.1:0',
      workers: 2,
      ...PROXY,
      ...config,
    }),
  );
  const { code, signal, stdout, stderr } = await runWeir(['--config', file], options);
  assert.match(stderr, message);
  assert.match(stderr, /^weir: [^\n]+\n$/, 'more or less than one line');
  assert.doesNotMatch(stderr, /\n {4}at /, 'a stack');
  assert.equal(stdout, '');
  assert.deepEqual({ code, signal }, { code: 2, signal: null });
}

describe('refused start', { skip: skipUnless(hasProgram('openssl'), 'openssl') }, () => {
  before(async () => {
    certificate = makeCertificate(scratch.path, 'own');
    other = makeCertificate(scratch.path, 'other');
    held = createServer();
    await new Promise<void>((resolve) => held.listen(0, '127.0.0.1', resolve));
    const address = held.address();
    heldPort = typeof address === 'object' && address !== null ? address.port : 0;
  });

  after(async () => {
    await new Promise((resolve) => held.close(resolve));
    scratch.remove();
  });

  it('port-of-another-process', () =>
    assertRefused(
      { listen: `127.0.0.1:${heldPort}` },
      new RegExp(`listen 127\\.0\\.0\\.1:${heldPort}: the port is in use`),
    ));

  it('admin-port-of-another-process', () =>
    assertRefused(
      { admin: `127.0.0.1:${heldPort}` },
      new RegExp(`admin 127\\.0\\.0\\.1:${heldPort}: .*in use`),
    ));

  for (const accept of ['auto', 'reuseport']) {
    it(`port-is-shared-with-another-weir-that-has-accept-${accept}`, async () => {
      const first = await startGateway({ config: { ...PROXY, accept } });
      try {
        for (const host of ['127.0.0.1', '0.0.0.0']) {
          await assertRefused({ listen: `${host}:${first.port}`, accept }, /the port is in use/);
        }
        assert.equal(await tryConnect(first.port), 'open', 'the first one is disturbed');
      } finally {
        await first.stop();
      }
    });
  }

  it('address-of-another-machine', () =>
    assertRefused({ listen: '192.0.2.1:8080' }, /192\.0\.2\.1:8080: this machine has no such/));

  it('admin-address-of-another-machine', () =>
    assertRefused(
      { admin: { host: '192.0.2.1', port: 8081, token: 'a-token-of-the-operator' } },
      /192\.0\.2\.1:8081: this machine has no such/,
    ));

  it('admin-port-for-everybody-without-a-token', () =>
    assertRefused(
      { admin: '0.0.0.0:8081' },
      /can be reached from other machines; set admin\.token/,
    ));

  it('host-that-nobody-knows', () =>
    assertRefused({ listen: 'no-such-host.invalid:8080' }, /no-such-host\.invalid/));

  const wrapper = findUnprivileged();
  const isPossible = wrapper !== null;
  it(
    'privileged-port-without-permission',
    { skip: skipUnless(isPossible, 'root with unshare and setpriv, or a user without rights') },
    () => assertRefused({ listen: '0.0.0.0:80' }, /:80: no permission/, { wrapper: wrapper ?? [] }),
  );

  it('certificate-is-garbage', () => {
    const cert = scratch.write('garbage.crt', 'no certificate\n');
    return assertTlsRefused({ cert, key: certificate.key }, /garbage\.crt/);
  });

  it('key-is-garbage', () => {
    const key = scratch.write('garbage.key', 'no key\n');
    return assertTlsRefused({ cert: certificate.cert, key }, /garbage\.key/);
  });

  it('key-of-another-certificate', () =>
    assertTlsRefused({ cert: certificate.cert, key: other.key }, /key values mismatch/));

  it('certificate-file-is-missing', () =>
    assertTlsRefused({ cert: '/no/such.crt', key: other.key }, /certificate.*\/no\/such\.crt/));

  it('key-file-is-missing', () =>
    assertTlsRefused({ cert: other.cert, key: '/no/such.key' }, /key.*\/no\/such\.key/));

  it('acceptor-with-tls', () =>
    assertTlsRefused(certificate, /accept: acceptor .*(listen\.tls|needs)/, 'acceptor'));

  it('acceptor-where-the-binary-has-none', async () => {
    if (NODE_HAS_ACCEPTOR) {
      const gateway = await startGateway({ config: { ...PROXY, accept: 'acceptor' } });
      await gateway.stop();
      return;
    }
    await assertRefused({ accept: 'acceptor' }, /accept: acceptor needs .*reuseport or auto/);
  });
});

function assertTlsRefused(tls: Certificate, message: RegExp, accept = 'auto'): Promise<void> {
  return assertRefused({ accept, listen: { host: '127.0.0.1', port: 0, tls } }, message);
}

/**
 * A command under which port 80 is forbidden: as nobody, in a network of its own, because containers
 * often let everybody have every port. Null where that can't be had.
 */
function findUnprivileged(): readonly string[] | null {
  if (process.getuid?.() !== 0) {
    const file = '/proc/sys/net/ipv4/ip_unprivileged_port_start';
    return existsSync(file) && Number(readFileSync(file, 'utf8')) > 80 ? [] : null;
  }
  if (!hasProgram('unshare') || !hasProgram('setpriv')) return null;
  // The capability alone is dropped: a nobody might not be allowed to read the clone.
  const drop = ['--bounding-set', '-net_bind_service', '--inh-caps', '-net_bind_service'];
  return ['unshare', '--net', 'setpriv', ...drop, '--'];
}

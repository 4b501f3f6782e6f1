/** TLS on the public port: what is offered, a certificate that changes while Weir runs, and clients' certificates. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { after, before, describe, it } from 'node:test';
import { type Certificate, makeCertificate, signCertificate } from '../helpers/certificates.js';
import { ScratchFolder } from '../helpers/command.js';
import { type Gateway, proxyConfig, startGateway } from '../helpers/gateway.js';
import { renderStream, startLoadUpstream } from '../helpers/load.js';
import type { MockUpstream } from '../helpers/mock-upstream.js';
import { hasProgram, skipUnless } from '../helpers/need.js';
import { pollUntil } from '../helpers/poll.js';
import { postReload, turnTo, writeConfig } from '../helpers/reload.js';
import { askTls, shakeHands, type TlsReply } from '../helpers/tls-client.js';

/** The binaries for Node 22 and later tell whether a client has shown a certificate. */
const TELLS_CERTIFICATES = Number(process.versions.node.split('.')[0]) >= 22;
const SHAPE = { events: 30, paceMs: 50 };

function fingerprintOf({ cert }: Certificate): string {
  return new X509Certificate(readFileSync(cert)).fingerprint256;
}

describe('certificates', { skip: skipUnless(hasProgram('openssl'), 'openssl') }, () => {
  const scratch = new ScratchFolder();
  const started: Gateway[] = [];
  let upstream: MockUpstream;

  before(async () => {
    upstream = await startLoadUpstream(SHAPE);
  });

  after(async () => {
    for (const gateway of started) await gateway.kill();
    await upstream?.stop();
    scratch.remove();
  });

  async function start(tls: object): Promise<Gateway> {
    const listen = { host: '127.0.0.1', port: 0, tls };
    const gateway = await startGateway({ config: { ...proxyConfig(upstream.baseUrl), listen } });
    started.push(gateway);
    return gateway;
  }

  it('old-versions-and-weak-ciphers-are-offered', async () => {
    const gateway = await start(makeCertificate(scratch.path, 'weir'));
    const { port } = gateway;
    const ciphers = 'ALL:@SECLEVEL=0';
    for (const version of ['TLSv1', 'TLSv1.1'] as const) {
      const agreed = await shakeHands({ port, minVersion: version, maxVersion: version, ciphers });
      assert.match(agreed, /ALERT_PROTOCOL_VERSION/, version);
    }
    const maxVersion = 'TLSv1.2';
    assert.match(
      await shakeHands({ port, maxVersion }),
      /^TLSv1.2 TLS_ECDHE_ECDSA_WITH_.*(GCM|POLY1305)_/,
    );
    assert.match(await shakeHands({ port }), /^TLSv1.3 /);
    for (const weak of ['AES128-SHA', 'AES128-GCM-SHA256', 'ECDHE-ECDSA-AES128-SHA', 'NULL-SHA']) {
      const agreed = await shakeHands({ port, maxVersion, ciphers: `${weak}:@SECLEVEL=0` });
      assert.match(agreed, /HANDSHAKE_FAILURE/, weak);
    }
    await gateway.stop();
  });

  describe('reload', () => {
    const files = { cert: '', key: '' };
    const made: Certificate[] = [];
    let gateway: Gateway;

    before(async () => {
      for (const name of ['one', 'two', 'three']) made.push(makeCertificate(scratch.path, name));
      files.cert = `${scratch.path}/served.crt`;
      files.key = `${scratch.path}/served.key`;
      place(0);
      gateway = await start(files);
    });

    function place(index: number): Certificate {
      const from = made[index];
      assert.ok(from !== undefined);
      for (const what of ['cert', 'key'] as const) {
        copyFileSync(from[what], `${files[what]}.new`);
        renameSync(`${files[what]}.new`, files[what]);
      }
      return from;
    }

    function countLogs(pattern: RegExp): number {
      return gateway.logs.filter((line) => pattern.test(String(line['msg']))).length;
    }

    /** A connection that is made while the old socket closes may be reset, where tcp_migrate_req is off. */
    async function untilShown(certificate: Certificate): Promise<void> {
      const wanted = fingerprintOf(certificate);
      for (const worker of [1, 2, 3, 4, 5, 6]) {
        await pollUntil(
          async () => {
            const reply = await askTls({ port: gateway.port }).catch(() => null);
            return reply?.fingerprint === wanted;
          },
          5000,
          `the new certificate, connection ${worker}`,
        );
      }
    }

    it('new-connections-get-the-old-certificate-or-old-ones-are-cut', async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const kept = await askTls({ port: gateway.port, agent });
      assert.equal(kept.fingerprint, fingerprintOf(made[0]!));
      assert.equal(kept.connection, undefined);
      const path = '/v1/streams/across';
      const stream = askTls({ port: gateway.port, path });
      await upstream.waitFor(
        ({ requests }) => requests.find(({ target }) => target === path),
        2000,
        'the stream',
      );
      const next = place(1);
      gateway.child.kill('SIGHUP');
      await gateway.waitForLog((line) => /certificate was reloaded/.test(String(line['msg'])));
      await untilShown(next);
      // The kept connection goes on, and its client is told to connect anew.
      const told = await askTls({ port: gateway.port, agent });
      assert.deepEqual([told.status, told.connection], [200, 'close']);
      assert.equal(told.fingerprint, kept.fingerprint);
      const anew = await askTls({ port: gateway.port, agent });
      assert.equal(anew.fingerprint, fingerprintOf(next));
      agent.destroy();
      const whole: TlsReply = await stream;
      assert.equal(whole.body, renderStream('across', SHAPE).toString());
    });

    it('P-29 a-bad-file-changes-something', async () => {
      const good = fingerprintOf(made[1]!);
      const before = countLogs(/was reloaded/);
      const bad: readonly (() => void)[] = [
        () => copyFileSync(made[2]!.cert, files.cert),
        () => writeFileSync(files.cert, 'no certificate'),
        () => writeFileSync(files.cert, ''),
      ];
      for (const [at, spoil] of bad.entries()) {
        spoil();
        gateway.child.kill('SIGHUP');
        await pollUntil(() => countLogs(/was not reloaded/) > 2 * at, 5000, 'the complaint');
        // Whoever asks is told, not the log alone.
        const { status, problems } = await postReload(gateway);
        assert.deepEqual([status, problems.length], [422, 1]);
        assert.match(String(problems[0]), /^listen\.tls: .*served\.(?:crt|key)/);
        const reply = await askTls({ port: gateway.port });
        assert.deepEqual([reply.status, reply.fingerprint], [200, good]);
      }
      assert.equal(countLogs(/was reloaded/), before);
      const key = readFileSync(files.key, 'latin1').split('\n')[1] ?? 'missing';
      assert.ok(!JSON.stringify(gateway.logs).includes(key), 'a key in the log');
      await untilShown(
        ((): Certificate => {
          const next = place(2);
          gateway.child.kill('SIGHUP');
          return next;
        })(),
      );
    });

    it('P-29 other-settings-of-tls-are-half-taken-up', async () => {
      const { host, port } = { host: '127.0.0.1', port: 0 };
      const own = proxyConfig(upstream.baseUrl);
      const good = { ...own, listen: { host, port, tls: files } };
      const { fingerprint } = await askTls({ port: gateway.port });
      for (const [tls, path] of [
        [{ ...files, cert: made[0]?.cert, key: made[0]?.key }, 'cert'],
        [{ ...files, client_ca: files.cert }, 'client_ca'],
      ] as const) {
        // Another field of the same file, which a reload could change by itself.
        writeConfig(gateway, { ...good, drain_timeout: '7s', listen: { host, port, tls } });
        const { status, problems } = await postReload(gateway);
        assert.equal(status, 422);
        assert.match(problems.join('\n'), new RegExp(`listen\\.tls\\.${path}: .*can’t change`));
        assert.doesNotMatch(problems.join('\n'), /drain_timeout/);
        const reply = await askTls({ port: gateway.port });
        assert.deepEqual([reply.status, reply.fingerprint], [200, fingerprint]);
      }
      const back = await turnTo(gateway, good);
      assert.deepEqual(back.changes, []);
    });

    it('changes-one-after-another-leave-it-unable-to-drain', async () => {
      for (let round = 0; round < 6; round += 1) {
        const next = place(round % 2);
        gateway.child.kill('SIGHUP');
        await untilShown(next);
      }
      await gateway.stop();
      assert.equal(gateway.stderr, '');
    });
  });

  describe('of clients', () => {
    let server: Certificate;
    let authority: Certificate;
    let known: { cert: Buffer; key: Buffer };
    let foreign: { cert: Buffer; key: Buffer };

    before(() => {
      server = makeCertificate(scratch.path, 'server');
      authority = makeCertificate(scratch.path, 'authority');
      const read = ({ cert, key }: Certificate) => ({
        cert: readFileSync(cert),
        key: readFileSync(key),
      });
      known = read(signCertificate(scratch.path, 'known', authority));
      foreign = read(makeCertificate(scratch.path, 'foreign'));
    });

    it('request-lets-in-a-foreign-certificate-or-keeps-out-none', async () => {
      const gateway = await start({ ...server, client_ca: authority.cert, client_auth: 'request' });
      const { port } = gateway;
      assert.equal((await askTls({ port, ...known })).status, 200);
      assert.equal((await askTls({ port })).status, 200);
      await assert.rejects(askTls({ port, ...foreign }), /alert unknown ca/i);
      await gateway.stop();
    });

    it('require-lets-in-whoever-shows-none', async () => {
      const starting = start({ ...server, client_ca: authority.cert });
      if (!TELLS_CERTIFICATES) {
        await assert.rejects(starting, /getX509Certificate.*Use client_auth: request/s);
        return;
      }
      const gateway = await starting;
      const { port } = gateway;
      const seen = upstream.requests.length;
      const refused = await askTls({ port });
      assert.equal(refused.status, 403, refused.body);
      assert.match(refused.body, /client_certificate_required/);
      await assert.rejects(askTls({ port, ...foreign }), /alert unknown ca/i);
      assert.equal(upstream.requests.length, seen, 'passed on');
      // A session that is resumed still has its certificate.
      const agent = new Agent({ keepAlive: false });
      for (let round = 0; round < 6; round += 1) {
        assert.equal((await askTls({ port, agent, ...known })).status, 200);
      }
      await gateway.stop();
    });
  });
});

/** TLS on the public port: answers and streams arrive as without, and nobody is served in the clear. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Agent, type RequestOptions, request } from 'node:https';
import { after, before, describe, it } from 'node:test';
import { type Certificate, makeCertificate } from '../helpers/certificates.js';
import { ScratchFolder } from '../helpers/command.js';
import { type Gateway, proxyConfig, startGateway } from '../helpers/gateway.js';
import { renderRequest } from '../helpers/http-text.js';
import { renderStream, startLoadUpstream } from '../helpers/load.js';
import type { MockUpstream } from '../helpers/mock-upstream.js';
import { hasProgram, skipUnless } from '../helpers/need.js';
import { RawClient } from '../helpers/raw-client.js';

const SHAPE = { events: 30, paceMs: 20 };
const BODY = '{"model":"m"}';

interface TlsAnswer {
  readonly status: number;
  readonly body: Buffer;
  /** Times at which pieces of the body came. */
  readonly atMs: readonly number[];
  readonly isComplete: boolean;
}

describe('TLS', { skip: skipUnless(hasProgram('openssl'), 'openssl') }, () => {
  const scratch = new ScratchFolder();
  let upstream: MockUpstream;
  let gateway: Gateway;
  let certificate: Certificate;
  let ca: Buffer;

  before(async () => {
    certificate = makeCertificate(scratch.path, 'weir');
    ca = readFileSync(certificate.cert);
    upstream = await startLoadUpstream(SHAPE);
    const listen = { host: '127.0.0.1', port: 0, tls: certificate };
    gateway = await startGateway({ config: { ...proxyConfig(upstream.baseUrl), listen } });
  });

  after(async () => {
    await gateway?.kill();
    await upstream?.stop();
    scratch.remove();
  });

  function ask(path: string, options: RequestOptions = {}): Promise<TlsAnswer> {
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': BODY.length };
      const where = { host: '127.0.0.1', port: gateway.port, path, method: 'POST', headers, ca };
      const outgoing = request({ ...where, ...options }, (response) => {
        const pieces: Buffer[] = [];
        const atMs: number[] = [];
        response.on('data', (piece: Buffer) => {
          pieces.push(piece);
          atMs.push(performance.now());
        });
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            body: Buffer.concat(pieces),
            atMs,
            isComplete: response.complete,
          }),
        );
      });
      outgoing.on('error', reject);
      outgoing.end(BODY);
    });
  }

  it('ready-line-does-not-say-tls', () => {
    const ready = gateway.logs.find((line) => line['msg'] === 'ready');
    assert.equal(ready?.['tls'], true);
    // An acceptor with TLS ends the process in native code.
    assert.equal(ready?.['accept'], 'reuseport');
  });

  it('answer-differs', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 4 });
    const answers = await Promise.all(
      Array.from({ length: 24 }, () => ask('/v1/chat/completions', { agent })),
    );
    for (const { status, body } of answers) {
      assert.equal(status, 200);
      assert.equal(body.toString(), JSON.stringify({ got: BODY }));
    }
    agent.destroy();
  });

  it('stream-is-held-back-or-altered', async () => {
    const answer = await ask('/v1/streams/one');
    assert.ok(answer.isComplete);
    assert.ok(answer.body.equals(renderStream('one', SHAPE)), 'the bytes differ');
    const spanMs = (answer.atMs.at(-1) ?? 0) - (answer.atMs[0] ?? 0);
    assert.ok(spanMs > (SHAPE.events * SHAPE.paceMs) / 2, `all came within ${spanMs} ms`);
  });

  it('client-that-does-not-trust-the-certificate-is-served', async () => {
    await assert.rejects(ask('/v1/x', { ca: [] }), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  });

  it('request-in-the-clear-is-answered', async () => {
    const before = upstream.requests.length;
    const client = await RawClient.connect({ port: gateway.port });
    client.send(renderRequest({ target: '/v1/x', body: BODY }));
    await client.waitForClose();
    assert.doesNotMatch(client.received.toString('latin1'), /^HTTP/);
    assert.equal(upstream.requests.length, before);
  });

  it('drain-cuts-a-stream', async () => {
    const streaming = Promise.all([ask('/v1/streams/two'), ask('/v1/streams/two')]);
    await upstream.waitFor(
      ({ requests }) => requests.filter(({ target }) => target.endsWith('/two'))[1],
      2000,
      'the streams',
    );
    await gateway.stop();
    for (const answer of await streaming) {
      assert.ok(answer.isComplete && answer.body.equals(renderStream('two', SHAPE)));
    }
  });
});

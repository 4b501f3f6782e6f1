/**
 * P-14, P-24: the provider fails before its first byte. The caller gets a whole answer, 502 or 504, in its own dialect
 * with the code of docs/errors.md, and the gateway takes the next request at once.
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { describeEngines, engineConfig, stopAll, waitForMetric } from '../helpers/engine-matrix.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { renderHead, renderJson, renderRequest } from '../helpers/http-text.js';
import {
  fin,
  findClosedPort,
  MockUpstream,
  rst,
  type Script,
  send,
} from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';

const CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n';
const ENOUGH = '5\r\nhello\r\n0\r\n\r\n';

/** What an answer that is not HTTP may look like. The connection stays open, so nothing but the bytes tells it. */
const MALFORMED: Readonly<Record<string, string | Buffer>> = {
  garbage: 'SSH-2.0-OpenSSH_9.2p1\r\n\r\n',
  'binary garbage': Buffer.from(Array.from({ length: 256 }, (_, at) => 255 - at)),
  'http-0.9': '<html></html>\r\n\r\n',
  'status of two digits': 'HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n',
  'length and chunked': `${CHUNKED}content-length: 5\r\n\r\n${ENOUGH}`,
  'two lengths': 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!',
  'length that is no number': 'HTTP/1.1 200 OK\r\ncontent-length: 5x\r\n\r\nhello',
  'negative length': 'HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello',
  'bare CR in a value': 'HTTP/1.1 200 OK\r\nx-a: b\rc: d\r\ncontent-length: 5\r\n\r\nhello',
  'NUL in a value': 'HTTP/1.1 200 OK\r\nx-a: b\0c\r\ncontent-length: 5\r\n\r\nhello',
  'head beyond 64 KB': `HTTP/1.1 200 OK\r\nx-a: ${'a'.repeat(70_000)}\r\ncontent-length: 0\r\n\r\n`,
  'unasked upgrade':
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
};

describeEngines('upstream failures before the first byte', 60_000, (engine) => {
  let upstream: MockUpstream;
  let gateway: Gateway;
  let script: Script = [];

  before(async () => {
    upstream = await MockUpstream.start({
      script: ({ target }) =>
        target.includes('after') ? [send(renderJson({ after: true }))] : script,
    });
    gateway = await startGateway({
      workers: 2,
      config: engineConfig(engine, {
        mock: { base_url: upstream.baseUrl },
        refused: { base_url: `http://127.0.0.1:${await findClosedPort()}/v1` },
        nameless: { base_url: 'http://does-not-exist.invalid/v1' },
      }),
    });
  });

  after(() => stopAll(gateway, upstream));

  /** Asks in both dialects; the connection must serve another request afterwards. */
  async function expectError(model: string, status: number, code: string): Promise<void> {
    for (const target of ['/v1/chat/completions', '/v1/messages']) {
      const client = await RawClient.connect({ port: gateway.port });
      client.send(renderRequest({ target, body: JSON.stringify({ model, stream: true }) }));
      const answer = await client.readResponse({ timeoutMs: 5000 });
      assert.equal(answer.status, status, answer.text);
      assert.ok(answer.complete);
      assert.equal(answer.header('content-type'), 'application/json');
      assertShape(target, answer.json(), code);
      const id = answer.header('x-weir-id');
      const line = await gateway.waitForLog((entry) => entry['id'] === id);
      const ended = line['ended'] as { by: string; reason: string };
      assert.deepEqual([ended.by, ended.reason], ['upstream', code]);
      assert.equal(line['status'], status);
      client.send(renderRequest({ target: '/v1/after', body: '{"model":"mock"}' }));
      assert.deepEqual((await client.readResponse()).json(), { after: true });
      client.destroy();
    }
    await waitForMetric(gateway, 'weir_exchanges_in_flight', 0);
  }

  function assertShape(target: string, body: unknown, code: string): void {
    const { error } = body as { error: Record<string, unknown> };
    assert.equal(typeof error['message'], 'string');
    if (target === '/v1/messages') {
      assert.equal((body as { type: string }).type, 'error');
      assert.equal(error['type'], 'api_error');
    } else {
      assert.equal(error['type'], 'server_error');
      assert.equal(error['code'], code);
      assert.equal(error['param'], null);
    }
  }

  /** What the caller may learn of its answer: nothing of the provider's bytes, and a connection that is gone. */
  async function expectMalformed(bytes: string | Buffer): Promise<void> {
    script = [send(bytes)];
    const from = upstream.connections.length;
    await expectError('mock', 502, 'upstream_malformed');
    const used = upstream.requests.filter(({ target }) => !target.includes('after')).slice(-2);
    for (const { connection } of used) {
      await connection.waitForClose();
      assert.equal(connection.requests.at(-1)?.target.includes('after'), false);
    }
    assert.ok(upstream.connections.length > from, 'a malformed answer must cost its connection');
  }

  it('P-18 upstream-refuses-connections', () => expectError('refused', 502, 'upstream_refused'));

  it('P-18 upstream-has-no-address', () => expectError('nameless', 502, 'upstream_refused'));

  it('P-14 upstream-resets-before-its-head', async () => {
    script = [rst()];
    await expectError('mock', 502, 'upstream_reset');
  });

  it('P-14 upstream-ends-before-its-head', async () => {
    script = [fin()];
    await expectError('mock', 502, 'upstream_reset');
  });

  it('P-14 upstream-ends-in-its-head', async () => {
    script = [send('HTTP/1.1 200 OK\r\ncontent-type: tex'), fin()];
    await expectError('mock', 502, 'upstream_reset');
  });

  it('P-14 upstream-ends-after-its-head', async () => {
    script = [send(`${CHUNKED}content-type: text/event-stream\r\n\r\n`), fin()];
    await expectError('mock', 502, 'upstream_cut');
  });

  it('P-14 upstream-resets-after-its-head', async () => {
    script = [send('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n'), rst()];
    await expectError('mock', 502, 'upstream_cut');
  });

  for (const [what, bytes] of Object.entries(MALFORMED)) {
    it(`P-24 ${what.replaceAll(' ', '-')}`, () => expectMalformed(bytes));
  }

  it('P-24 bad-chunk-size-before-the-first-byte', async () => {
    script = [send(`${CHUNKED}\r\nxyz\r\nhello\r\n0\r\n\r\n`)];
    await expectError('mock', 502, 'upstream_cut');
  });

  it('P-25 endless-informational-answers', async () => {
    const interim = renderHead('HTTP/1.1 102 Processing', []);
    script = [send(Buffer.concat(Array.from({ length: 100 }, () => interim)))];
    await expectError('mock', 502, 'upstream_malformed');
  });

  it('P-24 answer-without-a-request', async () => {
    const client = await RawClient.connect({ port: gateway.port });
    const ask = async (number: number): Promise<void> => {
      client.send(renderRequest({ target: `/v1/after/${number}`, body: '{"model":"mock"}' }));
      const answer = await client.readResponse();
      assert.deepEqual(answer.json(), { after: true });
    };
    await ask(1);
    const { connection } = upstream.requests.at(-1) ?? assert.fail();
    connection.socket.write(renderJson({ forged: true }));
    await connection.waitForClose();
    assert.equal(connection.closedBy, 'gateway');
    await ask(2);
    client.destroy();
  });

  it('P-24 second-answer-in-the-same-packet', async () => {
    const client = await RawClient.connect({ port: gateway.port });
    script = [send(Buffer.concat([renderJson({ first: true }), renderJson({ forged: true })]))];
    client.send(renderRequest({ target: '/v1/double', body: '{"model":"mock"}' }));
    assert.deepEqual((await client.readResponse()).json(), { first: true });
    const { connection } = upstream.requests.at(-1) ?? assert.fail();
    client.send(renderRequest({ target: '/v1/after/double', body: '{"model":"mock"}' }));
    assert.deepEqual((await client.readResponse()).json(), { after: true });
    await connection.waitForClose();
    assert.equal(connection.requests.at(-1)?.target, '/v1/double');
    client.destroy();
  });
});

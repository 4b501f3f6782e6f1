/** P-05: no value that Weir emits, wherever it comes from, can add a header or a message. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { EchoUpstream, findHeader } from '../helpers/echo-upstream.js';
import { type Gateway, proxyConfig, startGateway } from '../helpers/gateway.js';
import { renderRequest } from '../helpers/http-text.js';
import { MockUpstream, send } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';
import type { HttpMessage } from '../helpers/strict-http.js';
import { attemptAll, auditOracle } from '../helpers/wire-outcome.js';

const BYTES = Array.from({ length: 256 }, (_, byte) => byte);

function isFieldByte(byte: number): boolean {
  return byte === 0x09 || (byte >= 0x20 && byte !== 0x7f);
}

describe('injection by the upstream', () => {
  let upstream: MockUpstream;
  let gateway: Gateway;

  before(async () => {
    upstream = await MockUpstream.start({
      script: (request) => {
        const byte = Number(request.header('x-byte'));
        const head = `HTTP/1.1 200 OK\r\nx-odd: a${String.fromCharCode(byte)}x-injected: 1\r\ncontent-length: 2\r\n\r\n`;
        return [send(Buffer.from(`${head}{}`, 'latin1'))];
      },
    });
    gateway = await startGateway({ config: proxyConfig(upstream.baseUrl) });
  });

  after(async () => {
    await gateway?.stop();
    await upstream?.stop();
  });

  async function ask(byte: number): Promise<HttpMessage> {
    const client = await RawClient.connect({ port: gateway.port });
    try {
      client.send(renderRequest({ target: '/v1/files', headers: [['x-byte', `${byte}`]] }));
      return await client.readResponse();
    } finally {
      client.destroy();
    }
  }

  it('P-05 odd-byte-in-an-upstream-header-injects-or-breaks-the-answer', async () => {
    const complaints: string[] = [];
    await Promise.all(
      BYTES.map(async (byte) => {
        try {
          const response = await ask(byte);
          assert.deepEqual(response.all('x-injected'), []);
          assert.ok(response.complete);
          const value = `a${String.fromCharCode(byte)}x-injected: 1`;
          if (isFieldByte(byte)) assert.deepEqual(response.all('x-odd'), [value]);
          else assert.ok([200, 502].includes(response.status), `status ${response.status}`);
        } catch (error) {
          complaints.push(`byte 0x${byte.toString(16)}: ${error}`);
        }
      }),
    );
    assert.deepEqual(complaints, []);
  });
});

describe('injection by the client', () => {
  let echo: EchoUpstream;
  let proxy: Gateway;
  let strict: Gateway;

  before(async () => {
    echo = await EchoUpstream.start();
    proxy = await startGateway({ config: proxyConfig(echo.baseUrl) });
    strict = await startGateway({
      config: proxyConfig(echo.baseUrl, { models: { known: { provider: 'mock' } } }),
    });
  });

  after(async () => {
    await proxy?.stop();
    await strict?.stop();
    await echo?.stop();
  });

  it('P-05 odd-byte-in-a-request-header-arrives-as-another', async () => {
    const attempts = BYTES.map((byte) => ({
      id: `b${byte}`,
      bytes: renderRequest({
        target: '/v1/files',
        headers: [
          ['x-vector', `b${byte}`],
          ['x-odd', `a${String.fromCharCode(byte)}x-injected: 1`],
        ],
      }),
    }));
    const outcomes = await attemptAll(proxy.port, attempts);
    const complaints = auditOracle(echo, outcomes);
    for (const [byte, outcome] of outcomes.entries()) {
      if (outcome.kind === 'broken' || outcome.marker === 'wrong') {
        complaints.push(`0x${byte.toString(16)}: ${outcome.kind} ${outcome.detail}`);
      }
      const [request] = echo.withHeader('x-vector', outcome.id);
      if (request === undefined) {
        if (byte >= 0x20 && byte < 0x7f) complaints.push(`0x${byte.toString(16)}: refused`);
        continue;
      }
      const value = findHeader(request, 'x-odd');
      if (value !== `a${String.fromCharCode(byte)}x-injected: 1`) {
        complaints.push(`0x${byte.toString(16)}: arrived as ${JSON.stringify(value)}`);
      }
      if (findHeader(request, 'x-injected') !== undefined) {
        complaints.push(`0x${byte.toString(16)}: injected`);
      }
    }
    assert.deepEqual(complaints, []);
  });

  it('P-05 model-name-injects-into-the-error', async () => {
    const names = [
      ...BYTES.map((byte) => String.fromCharCode(byte)),
      '\r\nx-injected: 1\r\n\r\n',
      '\u2028\ud800',
      '"}',
    ];
    const complaints: string[] = [];
    const client = await RawClient.connect({ port: strict.port });
    for (const name of names) {
      const body = Buffer.from(JSON.stringify({ model: `a${name}b` }), 'utf8');
      client.send(renderRequest({ target: '/v1/chat/completions', body }));
      const response = await client.readResponse();
      if (response.status !== 404 || response.all('x-injected').length > 0) {
        complaints.push(`${JSON.stringify(name)}: ${response.status}`);
      }
      const answer = response.json() as { error?: { code?: unknown } };
      if (answer.error?.code !== 'model_not_found') {
        complaints.push(`${JSON.stringify(name)}: ${response.text}`);
      }
    }
    client.destroy();
    assert.deepEqual(complaints, []);
  });

  it('P-05 raw-byte-in-the-model-name-breaks-the-error', async () => {
    const complaints: string[] = [];
    await Promise.all(
      BYTES.map(async (byte) => {
        const client = await RawClient.connect({ port: strict.port });
        try {
          const body = Buffer.from(`{"model":"a${String.fromCharCode(byte)}b"}`, 'latin1');
          client.send(renderRequest({ target: '/v1/chat/completions', body }));
          const response = await client.readResponse();
          assert.ok([400, 404].includes(response.status), `status ${response.status}`);
          assert.ok(response.complete);
          response.json();
        } catch (error) {
          complaints.push(`byte 0x${byte.toString(16)}: ${error}`);
        } finally {
          client.destroy();
        }
      }),
    );
    assert.deepEqual(complaints, []);
  });

  it("P-05 caller's-ids-or-path-inject-into-the-answer", async () => {
    const client = await RawClient.connect({ port: proxy.port });
    for (const target of ['/v2/%0d%0aX-Injected:%201', '/v1/files/%0d%0aX-Injected:%201?a=%0a']) {
      client.send(
        renderRequest({
          target,
          headers: [
            ['x-weir-id', 'mine\tx'],
            ['x-request-id', 'mine'],
          ],
        }),
      );
      const response = await client.readResponse();
      assert.deepEqual(response.all('x-injected'), []);
      assert.equal(response.all('x-weir-id').length, 1);
      assert.doesNotMatch(response.header('x-weir-id') ?? '', /mine/);
    }
    client.destroy();
  });
});

/** Answers without a body, and answers before the answer: P-31 and P-25. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Gateway, proxyConfig, startGateway } from '../helpers/gateway.js';
import { renderJson, renderRequest, renderResponse } from '../helpers/http-text.js';
import {
  type MockRequest,
  MockUpstream,
  type Script,
  send,
  sendSplit,
  waitMs,
} from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';
import type { HttpMessage } from '../helpers/strict-http.js';

describe('answers without a body', () => {
  let upstream: MockUpstream;
  let gateway: Gateway;
  let script: Script = [];

  before(async () => {
    upstream = await MockUpstream.start({
      script: (request) => (request.target.includes('after') ? afterwards(request) : script),
    });
    gateway = await startGateway({ config: proxyConfig(upstream.baseUrl) });
  });

  after(async () => {
    await gateway?.stop();
    await upstream?.stop();
  });

  function afterwards(request: MockRequest): Script {
    return [send(renderJson({ after: request.target }))];
  }

  /** The second request on the connection shows whether a body came where none may be. */
  async function ask(method: string, answer: Script): Promise<HttpMessage> {
    script = answer;
    const client = await RawClient.connect({ port: gateway.port });
    try {
      client.send(renderRequest({ method, target: '/v1/files/1' }));
      const response = await client.readResponse({ toHead: method === 'HEAD' });
      client.send(renderRequest({ target: '/v1/after' }));
      const next = await client.readResponse();
      assert.deepEqual(next.json(), { after: '/v1/after' });
      assert.deepEqual(client.informational, []);
      return response;
    } finally {
      client.destroy();
    }
  }

  it('P-31 head-gets-a-body-or-loses-its-length', async () => {
    const answer = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1234\r\n\r\n';
    const response = await ask('HEAD', [send(answer)]);
    assert.equal(response.status, 200);
    assert.deepEqual(response.all('content-length'), ['1234']);
    assert.deepEqual(response.all('content-type'), ['text/plain']);
  });

  it('P-31 head-of-a-chunked-answer-waits-for-a-body', async () => {
    const response = await ask('HEAD', [
      send('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'),
    ]);
    assert.equal(response.status, 200);
  });

  it('P-31 head-of-an-error-gets-a-body', async () => {
    const response = await ask('HEAD', [
      send('HTTP/1.1 404 Not Found\r\ncontent-length: 99\r\n\r\n'),
    ]);
    assert.equal(response.status, 404);
    assert.deepEqual(response.all('content-length'), ['99']);
  });

  it('P-31 head-refused-by-the-gateway-gets-a-body', async () => {
    const client = await RawClient.connect({ port: gateway.port });
    client.send(renderRequest({ method: 'HEAD', target: '/not-v1' }));
    const response = await client.readResponse({ toHead: true });
    assert.equal(response.status, 404);
    client.send(renderRequest({ target: '/v1/after' }));
    assert.equal((await client.readResponse()).status, 200);
    client.destroy();
  });

  it('P-31 no-content-gets-a-body', async () => {
    const response = await ask('DELETE', [send('HTTP/1.1 204 No Content\r\nx-kept: 1\r\n\r\n')]);
    assert.equal(response.status, 204);
    assert.deepEqual(response.all('content-length'), []);
    assert.deepEqual(response.all('x-kept'), ['1']);
  });

  it('P-31 not-modified-gets-a-body-or-loses-its-length', async () => {
    const response = await ask('GET', [
      send('HTTP/1.1 304 Not Modified\r\netag: "e"\r\ncontent-length: 77\r\n\r\n'),
    ]);
    assert.equal(response.status, 304);
    assert.deepEqual(response.all('content-length'), ['77']);
    assert.deepEqual(response.all('etag'), ['"e"']);
  });

  it('P-31 empty-body-loses-its-length', async () => {
    const response = await ask('GET', [send(renderResponse({ status: 200 }))]);
    assert.equal(response.bodyBytes, 0);
    assert.deepEqual(response.all('content-length'), ['0']);
  });

  it('P-25 informational-answer-ends-the-exchange', async () => {
    const early = 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n';
    const response = await ask('GET', [
      send('HTTP/1.1 100 Continue\r\n\r\n'),
      send(early),
      waitMs(30),
      send(early + early),
      send(renderJson({ ok: true })),
    ]);
    assert.equal(response.status, 200);
    assert.deepEqual(response.json(), { ok: true });
    assert.deepEqual(response.all('link'), []);
  });

  it('P-25 informational-answer-in-single-bytes-is-misread', async () => {
    const bytes = Buffer.concat([
      Buffer.from('HTTP/1.1 102 Processing\r\n\r\n'),
      renderJson({ ok: true }),
    ]);
    const response = await ask('GET', [sendSplit(bytes, [...bytes.keys()].slice(1))]);
    assert.deepEqual(response.json(), { ok: true });
  });

  it('P-25 expect-continue-is-not-answered', async () => {
    script = [send(renderJson({ ok: true }))];
    const client = await RawClient.connect({ port: gateway.port });
    client.send(
      'POST /v1/files HTTP/1.1\r\nHost: weir.test\r\nExpect: 100-continue\r\nContent-Length: 13\r\n\r\n',
    );
    await client.waitForBytes(1, 3000);
    assert.match(client.received.toString('latin1'), /^HTTP\/1\.1 100 /);
    client.send('{"model":"m"}');
    const response = await client.readResponse();
    assert.equal(response.status, 200);
    assert.equal(client.informational.length, 1);
    client.destroy();
  });
});

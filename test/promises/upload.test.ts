/** Uploads: answered early, slow, chunked, announced with Expect, and too large to look into. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, it } from 'node:test';
import { pause } from '../helpers/changes.js';
import { describeEngines, engineConfig, stopAll, waitForMetric } from '../helpers/engine-matrix.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { renderChunk, renderChunks, renderJson, renderRequest } from '../helpers/http-text.js';
import { fin, MockUpstream, type Script, send, stall } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';

const MB = 1024 * 1024;
/** Of 8 KB, 125 ms apart: 1.5 s at 64 KB/s. */
const SLOW_PIECES = 12;
const PIECE = Buffer.alloc(64 * 1024, 'p');
const REFUSAL = { error: { message: 'too large', type: 'invalid_request_error' } };

describeEngines('uploads', 60_000, (engine) => {
  /** Answers when it has the whole request. */
  let upstream: MockUpstream;
  /** Answers as soon as it has the head, and reads on. */
  let hasty: MockUpstream;
  /** Answers as soon as it has the head, and reads nothing of the body. */
  let deaf: MockUpstream;
  let gateway: Gateway;

  before(async () => {
    upstream = await MockUpstream.start({ keepsBodies: false });
    const refuse = ({ target }: { target: string }): Script => {
      if (target.includes('after')) return [send(renderJson({ after: true }))];
      const closes = target.includes('closes');
      const headers = closes ? ([['connection', 'close']] as const) : [];
      const answer = send(renderJson(REFUSAL, { status: 413, headers }));
      return closes ? [answer, fin()] : [answer, stall()];
    };
    hasty = await MockUpstream.start({ startsAt: 'head', keepsBodies: false, script: refuse });
    deaf = await MockUpstream.start({
      startsAt: 'head',
      reads: 'head',
      keepsBodies: false,
      script: refuse,
    });
    gateway = await startGateway({
      workers: 2,
      config: engineConfig(engine, {
        mock: { base_url: upstream.baseUrl, timeouts: { first_byte: '1s' } },
        hasty: { base_url: hasty.baseUrl },
        deaf: { base_url: deaf.baseUrl },
      }),
    });
  });

  after(() => stopAll(gateway, upstream, hasty, deaf));

  function renderForm(path: string, model: string, bodyBytes: number): Buffer {
    const start =
      `--b\r\ncontent-disposition: form-data; name="model"\r\n\r\n${model}\r\n` +
      '--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n';
    return Buffer.concat([
      Buffer.from(
        `POST ${path} HTTP/1.1\r\nhost: weir.test\r\ncontent-length: ${bodyBytes}\r\n` +
          'content-type: multipart/form-data; boundary=b\r\n\r\n',
      ),
      Buffer.from(start),
    ]);
  }

  for (const model of ['hasty', 'deaf']) {
    it(`P-09 early-answer-of-${model}-upstream-is-lost`, async () => {
      const client = await RawClient.connect({ port: gateway.port });
      const whole = 60 * MB;
      const head = renderForm(`/v1/early/${model}`, model, whole);
      const bodyStart = head.length - head.indexOf('\r\n\r\n') - 4;
      client.send(head);
      // Far from complete, yet enough for the upload to stream; the rest is sent by the client whatever happens.
      let sent = bodyStart;
      for (; sent < 50 * MB; sent += PIECE.length) client.send(PIECE);
      const answer = await client.readResponse();
      assert.equal(answer.status, 413);
      assert.deepEqual(answer.json(), REFUSAL);
      client.send(Buffer.alloc(whole - sent, 'p'));
      client.send(renderRequest({ target: '/v1/after', body: '{"model":"hasty"}' }));
      const next = await client.readResponse({ timeoutMs: 5000 });
      assert.deepEqual(next.json(), { after: true });
      client.destroy();
      await waitForMetric(gateway, 'weir_exchanges_in_flight', 0);
      await waitForMetric(gateway, 'weir_body_bytes_held', 0);
    });
  }

  it('P-09 early-answer-and-close-is-lost', async () => {
    const client = await RawClient.connect({ port: gateway.port });
    client.send(renderForm('/v1/closes', 'hasty', 500 * MB));
    const uploading = setInterval(() => client.send(PIECE), 1);
    try {
      for (let sent = 0; sent < 33 * MB; sent += PIECE.length) client.send(PIECE);
      const answer = await client.readResponse();
      assert.equal(answer.status, 413);
      assert.deepEqual(answer.json(), REFUSAL);
      const line = await gateway.waitForLog((entry) => entry['path'] === '/v1/closes');
      assert.deepEqual(line['ended'], { by: 'upstream', phase: 'done', reason: 'complete' });
    } finally {
      clearInterval(uploading);
      client.destroy();
    }
    const { connection } =
      hasty.requests.find((seen) => seen.target === '/v1/closes') ?? assert.fail();
    await connection.waitForClose();
  });

  it('P-08 slow-upload-is-cut', async () => {
    const client = await RawClient.connect({ port: gateway.port });
    const piece = Buffer.alloc(8 * 1024, 's');
    client.send(
      `POST /v1/slow HTTP/1.1\r\nhost: weir.test\r\ncontent-length: ${SLOW_PIECES * 8192}\r\n\r\n`,
    );
    for (let sent = 0; sent < SLOW_PIECES; sent++) {
      await client.sendAll(piece);
      await pause(125);
    }
    assert.equal((await client.readResponse()).status, 200);
    assert.equal(upstream.requests.at(-1)?.bodyBytes, SLOW_PIECES * 8192);
    client.destroy();
  });

  it('P-08 slow-upload-that-streams-is-cut', async () => {
    // 64 KB/s for longer than the 1 s that the provider has for its first byte, once the upload has ended.
    const client = await RawClient.connect({ port: gateway.port });
    const piece = Buffer.alloc(8 * 1024, 's');
    const total = 2 * MB + SLOW_PIECES * piece.length;
    client.send(`POST /v1/files HTTP/1.1\r\nhost: weir.test\r\ncontent-length: ${total}\r\n\r\n`);
    client.send(Buffer.alloc(2 * MB, 's'));
    for (let sent = 0; sent < SLOW_PIECES; sent++) {
      await client.sendAll(piece);
      await pause(125);
    }
    const answer = await client.readResponse();
    assert.equal(answer.status, 200, answer.text);
    assert.equal(upstream.requests.at(-1)?.bodyBytes, total);
    client.destroy();
  });

  it('P-02 chunked-upload-that-is-held-is-framed-anew', async () => {
    const client = await RawClient.connect({ port: gateway.port });
    const body = Buffer.from(JSON.stringify({ model: 'mock', text: 'é'.repeat(50_000) }));
    const pieces = [body.subarray(0, 1), body.subarray(1, 7), body.subarray(7)];
    client.send(
      'POST /v1/chunked HTTP/1.1\r\nhost: weir.test\r\ntransfer-encoding: chunked\r\n\r\n',
    );
    client.send(renderChunks(pieces));
    assert.equal((await client.readResponse()).status, 200);
    const request = upstream.requests.at(-1) ?? assert.fail();
    assert.equal(request.header('content-length'), String(body.length));
    assert.equal(request.sha256, createHash('sha256').update(body).digest('hex'));
    await client.waitForClose();
  });

  it('P-15 chunked-upload-that-streams-is-altered', async () => {
    const client = await RawClient.connect({ port: gateway.port });
    const hash = createHash('sha256');
    client.send('POST /v1/files HTTP/1.1\r\nhost: weir.test\r\ntransfer-encoding: chunked\r\n\r\n');
    for (let number = 0; number < 300; number++) {
      const piece = Buffer.alloc(1 + number * 97, number);
      hash.update(piece);
      await client.sendAll(renderChunk(piece));
    }
    client.send('0\r\n\r\n');
    assert.equal((await client.readResponse()).status, 200);
    const request = upstream.requests.at(-1) ?? assert.fail();
    assert.equal(request.framing, 'chunked');
    assert.equal(request.sha256, hash.digest('hex'));
    await client.waitForClose();
  });

  for (const [what, path, bytes] of [
    ['held', '/v1/expected', 100_000],
    ['streamed', '/v1/files', 3 * MB],
  ] as const) {
    it(`P-04 expectation-of-a-${what}-upload-is-forwarded`, async () => {
      const client = await RawClient.connect({ port: gateway.port });
      client.send(
        `POST ${path} HTTP/1.1\r\nhost: weir.test\r\nexpect: 100-continue\r\n` +
          `content-length: ${bytes}\r\n\r\n`,
      );
      // As curl does: nothing of the body before the 100.
      await client.waitForBytes(1, 3000);
      assert.equal(client.received.toString('latin1'), 'HTTP/1.1 100 Continue\r\n\r\n');
      client.send(Buffer.alloc(bytes, 'e'));
      assert.equal((await client.readResponse()).status, 200);
      const request = upstream.requests.at(-1) ?? assert.fail();
      assert.deepEqual(request.all('expect'), []);
      assert.equal(request.bodyBytes, bytes);
      client.destroy();
    });
  }

  it('P-09 refusal-of-a-large-body-is-lost', async () => {
    const client = await RawClient.connect({ port: gateway.port });
    const before = upstream.requests.length;
    client.send(
      'POST /v1/chat/completions HTTP/1.1\r\nhost: weir.test\r\n' +
        `content-type: application/json\r\ncontent-length: ${60 * MB}\r\n\r\n{"text":"`,
    );
    for (let sent = 0; sent < 59 * MB; sent += PIECE.length) client.send(PIECE);
    client.send('","model":"mock"}');
    const answer = await client.readResponse();
    assert.equal(answer.status, 413);
    const { error } = answer.json() as { error: { code: string; message: string } };
    assert.equal(error.code, 'body_too_large');
    assert.match(error.message, /put "model" before the large fields/);
    client.destroy();
    assert.equal(upstream.requests.length, before);
    await waitForMetric(gateway, 'weir_body_bytes_held', 0);
  });
});

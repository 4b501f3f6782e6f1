/**
 * P-14: the provider fails in the middle of its answer. The cut is visible: no terminating chunk, fewer bytes than
 * announced, a closed connection; event streams say before it what happened. Never does half an answer look whole.
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { describeEngines, engineConfig, stopAll, waitForMetric } from '../helpers/engine-matrix.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { renderChunk, renderHead, renderJson, renderRequest } from '../helpers/http-text.js';
import { fin, MockUpstream, rst, type Script, send, waitMs } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';
import type { HeaderPair, HttpMessage } from '../helpers/strict-http.js';

const CHUNKED: HeaderPair = ['transfer-encoding', 'chunked'];
const EVENTS: HeaderPair = ['content-type', 'text/event-stream; charset=utf-8'];
const JSON_TYPE: HeaderPair = ['content-type', 'application/json'];
const ENDS = { fin, rst } as const;

/** Long enough for what was sent before to be relayed on its own; the cut then comes in mid-stream. */
const APART_MS = 60;

function begin(headers: readonly HeaderPair[], body: string | Buffer): Script {
  return [send(renderHead('HTTP/1.1 200 OK', headers)), send(body), waitMs(APART_MS)];
}

describeEngines('upstream failures in mid-stream', 60_000, (engine) => {
  let upstream: MockUpstream;
  let gateway: Gateway;
  let script: Script = [];

  before(async () => {
    upstream = await MockUpstream.start({ script: () => script });
    gateway = await startGateway({
      workers: 2,
      config: engineConfig(engine, { mock: { base_url: upstream.baseUrl } }),
    });
  });

  after(() => stopAll(gateway, upstream));

  async function ask(answer: Script, target = '/v1/chat/completions') {
    script = answer;
    const client = await RawClient.connect({ port: gateway.port });
    client.send(renderRequest({ target, body: '{"model":"mock","stream":true}' }));
    const response = await client.readResponse({ timeoutMs: 5000 });
    return { client, response };
  }

  /** The answer began, broke off, and can't be taken for a whole one. */
  async function expectCut(answer: Script, target?: string): Promise<HttpMessage> {
    const { client, response } = await ask(answer, target);
    assert.equal(response.status, 200);
    assert.equal(response.complete, false, 'half an answer looks whole');
    await client.waitForClose();
    assert.ok(!client.received.includes('\r\n0\r\n'), 'there is a terminating chunk');
    const id = response.header('x-weir-id');
    const line = await gateway.waitForLog((entry) => entry['id'] === id);
    assert.deepEqual(line['ended'], { by: 'upstream', phase: 'streaming', reason: 'upstream_cut' });
    assert.equal((line['error'] as { code: string }).code, 'upstream_cut');
    client.destroy();
    await waitForMetric(gateway, 'weir_exchanges_in_flight', 0);
    return response;
  }

  /** The events, parsed as an SDK would: by empty lines, each with its fields. */
  function readEvents(text: string): { event: string | null; data: string }[] {
    const blocks = text.split('\n\n');
    assert.equal(blocks.pop(), '', 'the last event is not ended');
    return blocks
      .filter((block) => block !== '')
      .map((block) => {
        const lines = block.split('\n');
        const find = (name: string): string | null =>
          lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? null;
        return { event: find('event'), data: find('data') ?? '' };
      });
  }

  for (const [kind, end] of Object.entries(ENDS)) {
    it(`P-14 chunked-json-cut (${kind})`, async () => {
      const piece = '{"half": ';
      const response = await expectCut([...begin([JSON_TYPE, CHUNKED], renderChunk(piece)), end()]);
      assert.equal(response.text, piece);
    });

    it(`P-14 chunk-cut-in-the-middle (${kind})`, async () => {
      const response = await expectCut([...begin([JSON_TYPE, CHUNKED], '64\r\nabc'), end()]);
      assert.equal(response.text, 'abc');
    });

    it(`P-14 last-chunk-cut (${kind})`, async () => {
      const almost = Buffer.concat([renderChunk('{"whole": 1}'), Buffer.from('0\r\n')]);
      await expectCut([...begin([JSON_TYPE, CHUNKED], almost), end()]);
    });

    it(`P-14 body-with-a-length-cut (${kind})`, async () => {
      const response = await expectCut([
        ...begin([JSON_TYPE, ['content-length', '100']], '{"half": '),
        end(),
      ]);
      assert.equal(response.header('content-length'), '100');
      assert.equal(response.text, '{"half": ');
    });

    it(`P-14 events-cut-between-two (${kind})`, async () => {
      const first = 'data: {"n":1}\n\n';
      const response = await expectCut([...begin([EVENTS, CHUNKED], renderChunk(first)), end()]);
      assert.ok(response.text.startsWith(first));
      const events = readEvents(response.text);
      assert.equal(events.length, 2);
      const { error } = JSON.parse(events[1]?.data ?? '') as { error: Record<string, unknown> };
      assert.equal(error['code'], 'upstream_cut');
      assert.equal(error['type'], 'server_error');
    });

    it(`P-14 events-cut-in-the-middle-of-one (${kind})`, async () => {
      const half = 'data: {"n":1}\n\nevent: x\ndata: {"n":';
      const response = await expectCut(
        [...begin([EVENTS, CHUNKED], renderChunk(half)), end()],
        '/v1/messages',
      );
      assert.ok(response.text.startsWith(half));
      const events = readEvents(response.text);
      assert.equal(events.length, 3, 'the error must not become a part of the event before it');
      assert.equal(events[2]?.event, 'error');
      const body = JSON.parse(events[2]?.data ?? '') as { type: string; error: { type: string } };
      assert.deepEqual([body.type, body.error.type], ['error', 'api_error']);
    });

    it(`P-14 encoded-events-cut (${kind})`, async () => {
      const headers: HeaderPair[] = [EVENTS, CHUNKED, ['content-encoding', 'gzip']];
      const response = await expectCut([...begin(headers, renderChunk('\x1f\x8b\x08')), end()]);
      assert.equal(response.bodyBytes, 3, 'nothing can be added to what is encoded');
    });
  }

  it('P-24 bad-chunk-size-in-mid-stream', async () => {
    const response = await expectCut([
      ...begin([EVENTS, CHUNKED], renderChunk('data: 1\n\n')),
      send('zz\r\n'),
    ]);
    assert.equal(readEvents(response.text).length, 2);
  });

  it('P-24 chunk-longer-than-its-size', async () => {
    const response = await expectCut([
      ...begin([JSON_TYPE, CHUNKED], renderChunk('abc')),
      send('3\r\nabcdef\r\n0\r\n\r\n'),
    ]);
    assert.ok('abcabc'.startsWith(response.text));
  });

  it('P-14 answer-ended-by-close-is-whole (fin)', async () => {
    const { client, response } = await ask([
      send(renderHead('HTTP/1.1 200 OK', [JSON_TYPE])),
      send('{"until": '),
      waitMs(APART_MS),
      send('"close"}'),
      fin(),
    ]);
    assert.ok(response.complete);
    assert.equal(response.text, '{"until": "close"}');
    script = [send(renderJson({ next: true }))];
    client.send(renderRequest({ body: '{"model":"mock"}' }));
    assert.deepEqual((await client.readResponse()).json(), { next: true });
    client.destroy();
  });

  it('P-14 answer-ended-by-close-is-cut (rst)', async () => {
    const response = await expectCut([...begin([JSON_TYPE], '{"until": '), rst()]);
    assert.equal(response.text, '{"until": ');
  });
});

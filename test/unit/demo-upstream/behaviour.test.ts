import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nowMs } from '../../../src/core/clock.js';
import { postRaw, serveForTests, waitUntil } from './served.js';

const { upstream, url } = serveForTests();
const CHAT = '/v1/chat/completions';
const JSON_BODY = '{"model":"m","messages":[]}';
const STREAM_BODY = '{"model":"m","stream": true,"messages":[]}';

function post(target: string, body: string, headers: Record<string, string> = {}) {
  return fetch(url + target, { method: 'POST', body, headers });
}

function countTokens(text: string): number {
  return text.split('"delta":{"content":').length - 1;
}

test('the query wins over the header', async () => {
  const answer = await post(`${CHAT}?tokens=3`, JSON_BODY, { 'x-demo-tokens': '9' });
  assert.match(await answer.text(), /"completion_tokens":3,/);
});

test('what is not plain in a body is parsed', async () => {
  const tokensOf = async (body: string): Promise<string | undefined> => {
    const text = await (await post(CHAT, body)).text();
    return /"model":"([^"]*)".*"completion_tokens":(\d+)/.exec(text)?.slice(1).join(' ');
  };
  assert.equal(await tokensOf('{"metadata":{"model":"x"},"model":"m"}'), 'm 64');
  assert.equal(await tokensOf('{ "model" : "m" , "max_tokens" : 4 }'), 'm 4');
  assert.equal(await tokensOf('{"model":"m","max_tokens":9,"max_completion_tokens":4}'), 'm 4');
  assert.equal(await tokensOf('{"model":"m","thinking":{"budget_tokens":2}}'), 'm 64');
  assert.equal(await tokensOf('{"model":"m","metadata":{"stream":true}}'), 'm 64');
  assert.equal(await tokensOf('{"\\u006dodel":"m","stream":null}'), 'm 64');
});

test('bodies that no API takes are refused in the API’s shape', async () => {
  for (const body of ['', '[]', '{', '{"messages":[]}', `{"model":"${'m'.repeat(300)}"}`]) {
    const answer = await post(CHAT, body);
    assert.equal(answer.status, 400, body);
    assert.match(await answer.text(), /^\{"error":\{"message":"/);
  }
  const unknown = await post('/v1/messages/nowhere', '{}');
  assert.equal(unknown.status, 404);
  assert.match(await unknown.text(), /^\{"type":"error","error":\{"type":"not_found_error"/);
});

test('a body in many chunks is read whole, one above the bound is refused', async () => {
  const large = JSON.stringify({ messages: 'x'.repeat(3_000_000), model: 'late' });
  assert.match(await (await post(CHAT, large)).text(), /"model":"late"/);
  const tooLarge = await post(CHAT, 'x'.repeat(33 * 1024 * 1024)).catch((error: Error) => error);
  // The answer closes the connection; a client that still writes may see only that.
  assert.ok(tooLarge instanceof Error || tooLarge.status === 413);
  await waitUntil(() => upstream.inFlight() === 0);
});

test('bytes pads a JSON answer to the byte, and the answer stays valid', async () => {
  for (const bytes of [2000, 100_003, 5_000_000]) {
    const text = await (await post(`${CHAT}?bytes=${bytes}`, JSON_BODY)).text();
    assert.equal(text.length, bytes);
    assert.equal(JSON.parse(text).usage.completion_tokens, 64);
  }
  const bare = await (await post(CHAT, JSON_BODY)).text();
  assert.equal(await (await post(`${CHAT}?bytes=${bare.length}`, JSON_BODY)).text(), bare);
});

test('bytes pads a stream to the byte, whatever is left for the last comment', async () => {
  const bare = (await (await post(`${CHAT}?tokens=70`, STREAM_BODY)).text()).length;
  for (const extra of [1, 2, 3, 8191, 8192, 8194, 1_000_000]) {
    const text = await (await post(`${CHAT}?tokens=70&bytes=${bare + extra}`, STREAM_BODY)).text();
    assert.equal(text.length, bare + extra);
    assert.ok(text.endsWith('data: [DONE]\n\n'));
    assert.equal(countTokens(text), 70);
  }
});

test('a long answer is the same text, streamed or whole', async () => {
  const whole = JSON.parse(await (await post(`${CHAT}?tokens=30000`, JSON_BODY)).text());
  const stream = await (await post(`${CHAT}?tokens=30000`, STREAM_BODY)).text();
  const words = stream.split('\n\n').slice(1, -3);
  assert.equal(words.length, 30_000);
  const text = words.map((event) => JSON.parse(event.slice(6)).choices[0].delta.content).join('');
  assert.equal(text, whole.choices[0].message.content);
});

test('cut_after cuts behind that many tokens, without a last chunk', async () => {
  const before = await postRaw(upstream.port, `${CHAT}?cut_after=0`, STREAM_BODY, 2000);
  assert.deepEqual(before, { text: '', end: 'fin' });
  for (const pace of [0, 2]) {
    const cut = await postRaw(
      upstream.port,
      `${CHAT}?cut_after=10&pace_ms=${pace}`,
      STREAM_BODY,
      2000,
    );
    assert.equal(cut.end, 'fin');
    assert.equal(countTokens(cut.text), 10);
    assert.ok(!cut.text.includes('\r\n0\r\n'));
  }
  const json = await postRaw(upstream.port, `${CHAT}?cut_after=4`, JSON_BODY, 2000);
  assert.equal(json.end, 'fin');
  assert.match(json.text, /"content":"A weir is a$/);
  const list = await postRaw(upstream.port, '/v1/embeddings?cut_after=1', JSON_BODY, 2000);
  assert.match(list.text, /^HTTP\/1.1 400 /);
  const beyond = await (await post(`${CHAT}?tokens=5&cut_after=6`, STREAM_BODY)).text();
  assert.ok(beyond.endsWith('data: [DONE]\n\n'));
});

test('stall_after goes silent, and the client’s leaving ends it', async () => {
  // Watched for 300 ms, because silence can only be seen by waiting.
  for (const body of [STREAM_BODY, JSON_BODY]) {
    const answer = await postRaw(upstream.port, `${CHAT}?stall_after=3`, body, 300);
    assert.equal(answer.end, 'open');
    assert.match(answer.text, body === STREAM_BODY ? /" is"[^\n]*\s+$/ : /"A weir is$/);
  }
  const nothing = await postRaw(upstream.port, `${CHAT}?stall_after=0`, JSON_BODY, 200);
  assert.deepEqual(nothing, { text: '', end: 'open' });
  await waitUntil(() => upstream.inFlight() === 0);
});

test('waits: the head, the first token, and the whole of a JSON answer', async () => {
  const started = nowMs();
  const answer = await post(`${CHAT}?head_ms=100&ttft_ms=300&tokens=2&pace_ms=100`, STREAM_BODY);
  const headMs = nowMs() - started;
  await answer.text();
  const endMs = nowMs() - started;
  assert.ok(headMs >= 99 && headMs < 250, `head after ${headMs} ms`);
  assert.ok(endMs >= 399 && endMs < 600, `end after ${endMs} ms`);
  const startedJson = nowMs();
  await (await post(`${CHAT}?ttft_ms=100&tokens=11&pace_ms=10`, JSON_BODY)).text();
  const jsonMs = nowMs() - startedJson;
  assert.ok(jsonMs >= 199 && jsonMs < 400, `JSON after ${jsonMs} ms`);
});

test('an answer of no tokens still waits for its time, and ends', async () => {
  const started = nowMs();
  const answer = await post(`${CHAT}?tokens=0&head_ms=10&ttft_ms=80`, STREAM_BODY);
  const text = await answer.text();
  assert.ok(nowMs() - started >= 79);
  assert.equal(countTokens(text), 0);
  assert.ok(text.endsWith('data: [DONE]\n\n'));
});

test('a client that goes away ends a paced stream', async () => {
  const controller = new AbortController();
  await fetch(`${url}${CHAT}?pace_ms=3600000`, {
    method: 'POST',
    body: STREAM_BODY,
    signal: controller.signal,
  });
  assert.equal(upstream.inFlight(), 1);
  controller.abort();
  await waitUntil(() => upstream.inFlight() === 0);
});

test('a client that does not read holds up its own answer only, in bounded memory', async () => {
  const before = process.memoryUsage.rss();
  const controllers = await Promise.all(
    [JSON_BODY, STREAM_BODY].map(async (body) => {
      const controller = new AbortController();
      await fetch(`${url}${CHAT}?bytes=1073741824&tokens=1000000`, {
        method: 'POST',
        body,
        signal: controller.signal,
      });
      return controller;
    }),
  );
  // Watched for 300 ms, in which a server that does not wait for its client would hand over all of it.
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(upstream.inFlight(), 2);
  const grownMb = (process.memoryUsage.rss() - before) / 1048576;
  assert.ok(grownMb < 60, `grew by ${grownMb} MB`);
  assert.equal((await post(CHAT, JSON_BODY)).status, 200);
  for (const controller of controllers) {
    controller.abort();
  }
  await waitUntil(() => upstream.inFlight() === 0);
});

test('HEAD gets the head of what GET gets', async () => {
  const get = await (await fetch(`${url}/v1/models`)).text();
  const head = await fetch(`${url}/v1/models`, { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.headers.get('content-length'), String(get.length));
});

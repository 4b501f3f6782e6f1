/** P-22: what a consumer may ask is counted exactly over all workers, and a refusal says when the next will pass. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { renderJson } from '../helpers/http-text.js';
import {
  askChat,
  chatBody,
  type LimitedGateway,
  readLimit,
  startLimited,
  untilSettled,
} from '../helpers/limited.js';
import { send, stall } from '../helpers/mock-upstream.js';
import { pollUntil } from '../helpers/poll.js';
import { RawClient } from '../helpers/raw-client.js';

const CONNECTIONS = 400;
const ASKED = 1600;
const ADMITTED = 1000;

describe('limits on requests', { timeout: 90_000 }, () => {
  let limited: LimitedGateway;
  let isStalling = false;

  before(async () => {
    limited = await startLimited({
      workers: 4,
      upstream: {
        keepsBodies: false,
        script: () => (isStalling ? [stall()] : [send(renderJson(chatBody(9, 1)))]),
      },
      limits: {
        hourly: [{ requests: ADMITTED, per: '1h', burst: ADMITTED }],
        slow: [{ requests: 1, per: '700ms' }],
        two: [
          { requests: 2, per: '1h' },
          { requests: 100, per: '1d' },
        ],
        claude: [{ requests: 1, per: '1h' }],
        models: [{ requests: 1, per: '1h', models: ['other'] }],
        narrow: [{ concurrency: 2 }, { requests: 10, per: '1h' }],
      },
    });
  });

  after(() => limited?.stop());

  it(`P-22 more, or fewer, than ${ADMITTED} of ${ASKED} requests pass over four workers`, async () => {
    const body = '{"model":"gpt-4o"}';
    const request =
      'POST /v1/chat/completions HTTP/1.1\r\nhost: weir.test\r\nauthorization: Bearer wk-hourly\r\n' +
      `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const statuses = new Map<number, number>();
    const clients = await Promise.all(
      Array.from({ length: CONNECTIONS }, () => RawClient.connect({ port: limited.gateway.port })),
    );
    await Promise.all(
      clients.map(async (client) => {
        for (let count = 0; count < ASKED / CONNECTIONS; count += 1) {
          client.send(request);
          const { status } = await client.readResponse();
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
        }
        client.destroy();
      }),
    );
    // An hour's limit gives back one in 3.6 s, which this takes less than, or a few on a slow machine.
    const passed = statuses.get(200) ?? 0;
    assert.equal(passed + (statuses.get(429) ?? 0), ASKED);
    const row = await readLimit(limited.gateway, 'hourly', 'requests');
    assert.equal(row.settled, passed);
    assert.equal(row.refused, ASKED - passed);
    assert.ok(passed >= ADMITTED && passed <= ADMITTED + 8, `${passed} passed`);
  });

  it('a refusal has not the caller’s shape, or says not when to come again', async () => {
    const first = await askChat(limited.gateway, 'two');
    assert.equal(first.status, 200);
    assert.equal(first.headers.get('x-ratelimit-limit-requests'), '2', 'the tightest');
    assert.equal(first.headers.get('x-ratelimit-remaining-requests'), '1');
    assert.match(first.headers.get('x-ratelimit-reset-requests') ?? '', /^(30m0s|29m59\.\d+s)$/);
    assert.equal(first.headers.get('x-ratelimit-limit-tokens'), null);
    await askChat(limited.gateway, 'two');
    const refused = await askChat(limited.gateway, 'two');
    assert.equal(refused.status, 429);
    assert.equal(refused.headers.get('x-ratelimit-remaining-requests'), '0');
    const retryMs = Number(refused.headers.get('retry-after-ms'));
    assert.ok(retryMs > 1_790_000 && retryMs <= 1_800_000, String(retryMs));
    assert.equal(refused.headers.get('retry-after'), String(Math.ceil(retryMs / 1000)));
    const { error } = (await refused.json()) as { error: { code: string; message: string } };
    assert.equal(error.code, 'rate_limit_exceeded');
    assert.match(error.message, /2 requests per 1h/);
    const day = await readLimit(limited.gateway, 'two', 'requests/86400000');
    assert.deepEqual([day.settled, day.refused, day.held], [2, 0, 0], 'no trace in the other');
  });

  it('Anthropic’s client does not take a refusal for its own API’s', async () => {
    const anthropic = new Anthropic({
      baseURL: limited.gateway.baseUrl.replace(/\/v1$/, ''),
      apiKey: 'wk-claude',
      maxRetries: 0,
    });
    const ask = () =>
      anthropic.messages.create({
        model: 'claude-haiku-4-5',
        max_tokens: 5,
        messages: [{ role: 'user', content: 'Hi' }],
      });
    await ask();
    await assert.rejects(ask, (error) => {
      assert.ok(error instanceof Anthropic.RateLimitError);
      return true;
    });
  });

  it('the SDK’s own backoff does not get through at its first retry', async () => {
    const attempts: number[] = [];
    const openai = new OpenAI({
      baseURL: limited.gateway.baseUrl,
      apiKey: 'wk-slow',
      maxRetries: 1,
      fetch: async (input, init) => {
        const answer = await fetch(input, init);
        attempts.push(answer.status);
        return answer;
      },
    });
    const ask = () =>
      openai.chat.completions.create({
        model: 'gpt-4o',
        messages: [{ role: 'user', content: 'Hello' }],
      });
    await ask();
    const answer = await ask();
    assert.equal(answer.usage?.total_tokens, 10);
    assert.deepEqual(attempts, [200, 429, 200]);
  });

  it('a limit of one model counts the others', async () => {
    const ask = async (model: string) =>
      (await askChat(limited.gateway, 'models', { model })).status;
    assert.deepEqual([await ask('gpt-4o'), await ask('gpt-4o')], [200, 200]);
    assert.deepEqual([await ask('other'), await ask('other')], [200, 429]);
    assert.equal(await ask('gpt-4o'), 200);
  });

  it('P-13 a place among the concurrent is not given back by a client that leaves', async () => {
    isStalling = true;
    const controllers = [new AbortController(), new AbortController()];
    const running = controllers.map(({ signal }) =>
      fetch(`${limited.gateway.baseUrl}/chat/completions`, {
        method: 'POST',
        signal,
        headers: { authorization: 'Bearer wk-narrow', 'content-type': 'application/json' },
        body: '{"model":"gpt-4o"}',
      }).catch(() => null),
    );
    const readHeld = async () => (await readLimit(limited.gateway, 'narrow', 'concurrency')).held;
    await pollUntil(async () => (await readHeld()) === 2, 5000, 'two places taken');
    const third = await askChat(limited.gateway, 'narrow');
    assert.equal(third.status, 429);
    assert.match(await third.text(), /2 at the same time/);
    for (const controller of controllers) controller.abort();
    await Promise.all(running);
    isStalling = false;
    const rows = await untilSettled(limited.gateway, 'narrow');
    const concurrency = rows.find(({ limit }) => limit.startsWith('concurrency'));
    assert.equal(concurrency?.level, 2);
    assert.equal((await askChat(limited.gateway, 'narrow')).status, 200);
  });

  it('an operator can’t reset a bucket or grant more', async () => {
    const post = (path: string, body: object) =>
      fetch(`${limited.gateway.adminUrl}/api/limits/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    assert.equal((await askChat(limited.gateway, 'two')).status, 429);
    const { limit } = await readLimit(limited.gateway, 'two', 'requests/3600000');
    assert.equal((await post('grant', { consumer: 'two', limit, amount: 1 })).status, 200);
    assert.equal((await askChat(limited.gateway, 'two')).status, 200);
    assert.equal((await askChat(limited.gateway, 'two')).status, 429);
    assert.equal((await post('reset', { consumer: 'two' })).status, 200);
    assert.equal((await askChat(limited.gateway, 'two')).status, 200);
    assert.equal((await askChat(limited.gateway, 'two')).status, 200);
    assert.equal((await askChat(limited.gateway, 'two')).status, 429);
    for (const body of [{ consumer: 'nobody' }, { consumer: 'two', limit: 'x' }, {}, []]) {
      const refused = await post('reset', body);
      assert.ok([400, 404].includes(refused.status), JSON.stringify(body));
    }
    assert.equal((await post('grant', { consumer: 'two', limit, amount: -1 })).status, 400);
  });
});

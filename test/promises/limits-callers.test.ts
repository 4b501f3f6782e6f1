/** P-22: whoever calls has buckets of its own, exact over all workers, and a full table hurts nobody who is in it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Gateway } from '../helpers/gateway.js';
import { renderJson } from '../helpers/http-text.js';
import {
  askChat,
  chatBody,
  type LimitedGateway,
  startLimited,
  untilSettled,
} from '../helpers/limited.js';
import { sumMetric } from '../helpers/metrics-text.js';
import { send } from '../helpers/mock-upstream.js';
import { pollUntil } from '../helpers/poll.js';
import { RawClient } from '../helpers/raw-client.js';
import type { HttpMessage } from '../helpers/strict-http.js';

const upstream = { keepsBodies: false, script: () => [send(renderJson(chatBody(9, 1)))] };

const ADDRESSES = ['127.0.0.2', '127.0.0.3', '127.0.0.4'] as const;

function connectFrom(gateway: Gateway, localAddress: string): Promise<RawClient> {
  return RawClient.connect({ port: gateway.port, localAddress });
}

async function ask(client: RawClient, key = 'wk-team'): Promise<HttpMessage> {
  const body = '{"model":"gpt-4o"}';
  client.send(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: weir.test\r\nauthorization: Bearer ${key}\r\n` +
      `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  return client.readResponse();
}

async function askFrom(gateway: Gateway, address: string): Promise<HttpMessage> {
  const client = await connectFrom(gateway, address);
  const answer = await ask(client);
  client.destroy();
  return answer;
}

function headerOf(answer: HttpMessage, name: string): string | undefined {
  return answer.all(name)[0];
}

describe('limits by address without consumers', { timeout: 60_000 }, () => {
  const ADMITTED = 50;
  const CONNECTIONS = 10;
  const ASKED_EACH = 8;
  let limited: LimitedGateway;

  before(async () => {
    limited = await startLimited({
      workers: 2,
      upstream,
      limits: {},
      config: {
        consumers: undefined,
        callers: { by: 'address', limits: [{ requests: ADMITTED, per: '1d' }] },
      },
    });
  });

  after(() => limited?.stop());

  it(`P-22 more, or fewer, than ${ADMITTED} requests of each address pass over two workers`, async () => {
    const passed = await Promise.all(
      ADDRESSES.map(async (address) => {
        let count = 0;
        await Promise.all(
          Array.from({ length: CONNECTIONS }, async () => {
            const client = await connectFrom(limited.gateway, address);
            for (let turn = 0; turn < ASKED_EACH; turn += 1) {
              const { status } = await ask(client);
              assert.ok(status === 200 || status === 429, String(status));
              if (status === 200) count += 1;
            }
            client.destroy();
          }),
        );
        return count;
      }),
    );
    assert.deepEqual(passed, [ADMITTED, ADMITTED, ADMITTED]);
  });

  it('a refused address is not told what it has, or when to come again', async () => {
    const answer = await askFrom(limited.gateway, ADDRESSES[0]);
    assert.equal(answer.status, 429);
    assert.equal(headerOf(answer, 'x-ratelimit-limit-requests'), String(ADMITTED));
    assert.equal(headerOf(answer, 'x-ratelimit-remaining-requests'), '0');
    assert.ok(Number(headerOf(answer, 'retry-after-ms')) > 1_000_000);
    assert.match(answer.body.toString(), /of this address is reached: 50 requests per 1d/);
    assert.equal((await askFrom(limited.gateway, '127.0.0.99')).status, 200, 'another address');
  });
});

describe('limits by address on a socket of IPv6', { timeout: 60_000 }, () => {
  let limited: LimitedGateway;

  before(async () => {
    limited = await startLimited({
      workers: 2,
      upstream,
      limits: {},
      config: {
        listen: '[::]:0',
        consumers: undefined,
        callers: { by: 'address', limits: [{ requests: 1, per: '1d' }] },
      },
    });
  });

  after(() => limited?.stop());

  it('clients that came over IPv4 are all one caller there', async () => {
    const { gateway } = limited;
    const statusesOf = async (address: string) => [
      (await askFrom(gateway, address)).status,
      (await askFrom(gateway, address)).status,
    ];
    assert.deepEqual(await statusesOf(ADDRESSES[0]), [200, 429]);
    assert.deepEqual(await statusesOf(ADDRESSES[1]), [200, 429]);
  });
});

describe('a full table of callers', { timeout: 60_000 }, () => {
  let limited: LimitedGateway;

  before(async () => {
    limited = await startLimited({
      workers: 2,
      upstream,
      limits: { team: [{ requests: 100, per: '1d' }] },
      config: {
        callers: { by: 'address', slots: 2, limits: [{ requests: 10, per: '1d' }] },
      },
    });
  });

  after(() => limited?.stop());

  it('a new address is let through without a limit, or those that are known suffer', async () => {
    const { gateway } = limited;
    assert.equal((await askFrom(gateway, ADDRESSES[0])).status, 200);
    assert.equal((await askFrom(gateway, ADDRESSES[1])).status, 200);
    const refused = await askFrom(gateway, ADDRESSES[2]);
    assert.equal(refused.status, 503);
    assert.equal(headerOf(refused, 'retry-after'), '1');
    assert.match(
      refused.body.toString(),
      /"overloaded".*callers apart|callers apart.*"overloaded"/,
    );
    assert.equal((await askFrom(gateway, ADDRESSES[0])).status, 200);
    const [row] = await untilSettled(gateway, 'team');
    assert.deepEqual([row?.settled, row?.refunded, row?.refused, row?.held], [3, 0, 0, 0]);
    assert.equal(sumMetric(await gateway.metrics(), 'weir_limit_table_full_total'), 1);
  });
});

describe('slots of callers', { timeout: 60_000 }, () => {
  let limited: LimitedGateway;

  before(async () => {
    limited = await startLimited({
      workers: 2,
      upstream,
      limits: {},
      config: {
        consumers: undefined,
        callers: { by: 'address', slots: 1, limits: [{ requests: 1, per: '1s' }] },
      },
    });
  });

  after(() => limited?.stop());

  it('a slot is kept for an address whose bucket is full again', async () => {
    const { gateway } = limited;
    for (const address of ADDRESSES) {
      await pollUntil(
        async () => (await askFrom(gateway, address)).status === 200,
        5000,
        `the only slot for ${address}`,
      );
    }
  });
});

describe('limits by the end user', { timeout: 60_000 }, () => {
  let limited: LimitedGateway;

  before(async () => {
    limited = await startLimited({
      workers: 2,
      upstream,
      limits: { team: [], other: [] },
      config: {
        callers: {
          by: 'user',
          limits: [
            { requests: 2, per: '1d' },
            { tokens: 1000, per: '1d' },
          ],
        },
      },
    });
  });

  after(() => limited?.stop());

  it('users share what one of them has, or their tokens are not settled', async () => {
    const { gateway } = limited;
    const askAs = (team: string, user: string) => askChat(gateway, team, { max_tokens: 1, user });
    const statusOf = async (team: string, user: string) => (await askAs(team, user)).status;
    assert.equal(await statusOf('team', 'ann'), 200);
    assert.equal(await statusOf('team', 'ann'), 200);
    // Twice ten were used; what was reserved beyond that comes back a moment after the answer.
    await pollUntil(
      async () => {
        const { status, headers } = await askAs('team', 'ann');
        assert.equal(status, 429);
        return headers.get('x-ratelimit-remaining-tokens') === '980';
      },
      5000,
      'the first calls settled',
    );
    assert.equal(await statusOf('other', 'ann'), 200, 'another consumer’s');
    assert.equal(await statusOf('team', 'bob'), 200);
    for (let count = 0; count < 4; count += 1) {
      assert.equal((await askChat(gateway, 'team')).status, 200, 'names no user');
    }
    assert.equal(await statusOf('team', 'u'.repeat(2000)), 400);
  });
});

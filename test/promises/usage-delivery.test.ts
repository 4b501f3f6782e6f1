/** P-13: every usage record reaches its receiver at least once, whatever becomes of either. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type ConfigText, type Gateway, startGateway } from '../helpers/gateway.js';
import { renderJson } from '../helpers/http-text.js';
import { askChat, chatBody } from '../helpers/limited.js';
import { sumMetric } from '../helpers/metrics-text.js';
import { MockUpstream, send } from '../helpers/mock-upstream.js';
import { pollUntil } from '../helpers/poll.js';
import { take, UsageReceiver } from '../helpers/usage-receiver.js';
import { indexById, readRecords } from '../helpers/usage-spool.js';

const TOKEN = 'billing-token-0123456789';

describe('delivery of usage records', { timeout: 90_000, concurrency: true }, () => {
  let upstream: MockUpstream;
  const folder = mkdtempSync(join(tmpdir(), 'weir-usage-'));
  const started: Gateway[] = [];
  /** Starting costs a core some seconds; several at a time would make each other late. */
  let lastStart: Promise<unknown> = Promise.resolve();
  const receivers: UsageReceiver[] = [];

  before(async () => {
    upstream = await MockUpstream.start({ script: () => [send(renderJson(chatBody(9, 1)))] });
  });

  after(async () => {
    await Promise.all(started.map((gateway) => gateway.kill()));
    await Promise.all(receivers.map((receiver) => receiver.close()));
    await upstream?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function listen(port = 0): Promise<UsageReceiver> {
    const receiver = new UsageReceiver();
    await receiver.listen(port);
    receivers.push(receiver);
    return receiver;
  }

  function atTurn(begin: () => Promise<Gateway>): Promise<Gateway> {
    const next = lastStart.then(begin, begin);
    lastStart = next;
    return next;
  }

  async function start(dir: string, url: string, deliver: ConfigText = {}): Promise<Gateway> {
    const gateway = await atTurn(() =>
      startGateway({
        readyMs: 30_000,
        workers: 2,
        config: {
          providers: {
            mock: { dialect: 'openai', base_url: upstream.baseUrl, api_key: 'sk-upstream-secret' },
          },
          models: { 'gpt-4o': { provider: 'mock' } },
          usage: {
            dir,
            flush_every: '50ms',
            deliver: {
              url,
              token: TOKEN,
              every: '50ms',
              batch: 10,
              retry_max: '100ms',
              ...deliver,
            },
          },
        },
      }),
    );
    started.push(gateway);
    return gateway;
  }

  async function ask(gateway: Gateway, count: number): Promise<string[]> {
    const ids: string[] = [];
    for (let i = 0; i < count; i += 1) {
      const response = await askChat(gateway, 'anybody');
      await response.text();
      ids.push(response.headers.get('x-weir-id') ?? '');
    }
    return ids;
  }

  function delivered(gateway: Gateway): Promise<number> {
    return gateway.metrics().then((samples) => sumMetric(samples, 'weir_usage_delivered_total'));
  }

  it('P-13 a receiver that fails misses a record, or gets one under two keys', async () => {
    const receiver = await listen();
    receiver.behaviour = (delivery, response, number) => {
      const kind = number % 5;
      if (kind === 0) response.writeHead(500).end('no');
      else if (kind === 1) response.destroy();
      else if (kind === 2) response.writeHead(429, { 'retry-after': '0' }).end();
      // The records are taken, and the answer is lost.
      else if (kind === 3) response.socket?.destroy();
      else take(delivery, response, number);
    };
    const gateway = await start(join(folder, 'fails'), receiver.url);
    const ids = await ask(gateway, 45);
    await pollUntil(async () => (await delivered(gateway)) === 45, 15_000, 'all to be delivered');
    const byId = indexById(receiver.recordsByKey());
    assert.deepEqual([...byId.keys()].sort(), ids.sort());
    const [first] = receiver.deliveries;
    assert.equal(first?.headers.authorization, `Bearer ${TOKEN}`);
    assert.equal(first?.headers['weir-usage-records'], String(first?.records.length));
    assert.ok(receiver.deliveries.every(({ records }) => records.length <= 10));
    // Said once, and without the token.
    const said = gateway.logs.filter(({ msg }) => String(msg).includes('can’t be delivered'));
    assert.ok(said.length >= 1);
    assert.doesNotMatch(JSON.stringify(gateway.logs), /billing-token/);
    const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    assert.doesNotMatch(text, /billing-token/);
    await gateway.stop();
  });

  it('P-13 records wait for ever for a receiver that was away, or for one that is slow', async () => {
    const away = await listen();
    const { port, url } = away;
    await away.close();
    const dir = join(folder, 'away');
    const gateway = await start(dir, url, { timeout: '300ms' });
    const ids = await ask(gateway, 15);
    const failures = async () =>
      sumMetric(await gateway.metrics(), 'weir_usage_delivery_failures_total');
    await pollUntil(async () => (await failures()) >= 2, 10_000, 'two tries');
    const back = await listen(port);
    // The first answers come too late.
    back.behaviour = (delivery, response, number) => {
      if (number >= 2) take(delivery, response, number);
    };
    await pollUntil(async () => (await delivered(gateway)) === 15, 15_000, 'all to be delivered');
    assert.deepEqual([...indexById(back.recordsByKey()).keys()].sort(), ids.sort());
    await gateway.stop();
  });

  it('P-13 kill -9 in the middle leaves a gap, or sends under another key what was sent', async () => {
    const receiver = await listen();
    const dir = join(folder, 'killed');
    // The second request is taken and never answered.
    receiver.behaviour = (delivery, response, number) => {
      if (number === 0) take(delivery, response, number);
    };
    const first = await start(dir, receiver.url);
    const ids = await ask(first, 35);
    await pollUntil(() => receiver.deliveries.length >= 2, 10_000, 'the second request');
    const isWritten = async () =>
      sumMetric(await first.metrics(), 'weir_usage_records_total') === 35;
    await pollUntil(isWritten, 10_000, 'the records to be written');
    await first.kill();
    receiver.behaviour = take;
    const second = await start(dir, receiver.url);
    ids.push(...(await ask(second, 5)));
    const isThere = () => new Set(receiver.recordsByKey().map(({ id }) => id)).size === ids.length;
    // The dead process's lease runs out first.
    await pollUntil(isThere, 20_000, 'all to be delivered');
    await second.stop();
    assert.deepEqual([...indexById(receiver.recordsByKey()).keys()].sort(), ids.sort());
    assert.equal(receiver.deliveries[1]?.key, receiver.deliveries[2]?.key);
    assert.deepEqual(receiver.deliveries[1]?.body, receiver.deliveries[2]?.body);
    assert.equal(indexById(readRecords(dir)).size, ids.length);
  });

  it('a gateway that is stopped in good order leaves what it could have delivered', async () => {
    const receiver = await listen();
    const gateway = await start(join(folder, 'stopped'), receiver.url, { every: '1h' });
    const ids = await ask(gateway, 25);
    await gateway.stop();
    assert.deepEqual([...indexById(receiver.recordsByKey()).keys()].sort(), ids.sort());
  });

  it('a receiver that never answers holds up the end of the process', async () => {
    const receiver = await listen();
    receiver.behaviour = () => {};
    const gateway = await start(join(folder, 'silent'), receiver.url);
    await ask(gateway, 3);
    await pollUntil(() => receiver.deliveries.length > 0, 10_000, 'a request');
    await gateway.stop(8000);
  });
});

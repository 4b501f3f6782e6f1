/** P-13: two servers that write to one spool, as during an upgrade, neither lose records nor deliver them twice. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { proxyConfig, startGateway } from '../helpers/gateway.js';
import { startLoadUpstream } from '../helpers/load.js';
import { pollUntil } from '../helpers/poll.js';
import { upgradeGateway } from '../helpers/upgrade.js';
import { UsageReceiver } from '../helpers/usage-receiver.js';
import { indexById, listSpool, readRecords } from '../helpers/usage-spool.js';

/** So long that a stream which is begun before the upgrade ends after it. */
const SHAPE = { events: 60, paceMs: 50 };
const BEFORE = 20;

it('P-13 an upgrade loses a usage record, or has one delivered twice', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-usage-'));
  const dir = join(folder, 'usage');
  const upstream = await startLoadUpstream(SHAPE);
  const receiver = new UsageReceiver();
  await receiver.listen();
  const gateway = await startGateway({
    config: {
      ...proxyConfig(upstream.baseUrl),
      usage: { dir, flush_every: '50ms', deliver: { url: receiver.url, every: '20ms' } },
    },
  });
  const ask = async (isStream: boolean): Promise<string> => {
    const response = await fetch(`${gateway.baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify({ model: 'gpt-4o', stream: isStream, messages: [] }),
    });
    assert.equal(response.status, 200);
    const id = response.headers.get('x-weir-id') ?? '';
    if (!isStream) {
      await response.text();
      return id;
    }
    streams.push(response.text());
    return id;
  };
  const streams: Promise<string>[] = [];
  const ids: string[] = [];
  try {
    for (let count = 0; count < BEFORE; count += 1) ids.push(await ask(false));
    ids.push(await ask(true), await ask(true));
    await upgradeGateway(gateway);
    // Both write now: the new server what comes, the old one the streams that go on.
    for (let count = 0; count < BEFORE; count += 1) ids.push(await ask(false));
    await Promise.all(streams);
    const delivered = (): string[] => receiver.recordsByKey().map(({ id }) => String(id));
    const isDelivered = (): boolean => new Set(delivered()).size >= ids.length;
    await pollUntil(isDelivered, 15_000, () => `${delivered().length} of ${ids.length}`);
    await gateway.stop();
    const byId = indexById(readRecords(dir));
    assert.deepEqual([...byId.keys()].sort(), [...ids].sort());
    assert.deepEqual(delivered().sort(), [...ids].sort());
    const writers = new Set(listSpool(dir).map((path) => path.split('-').at(-2)));
    assert.equal(writers.size, 2, 'both have written');
    const streamed = [...byId.values()].filter(({ stream }) => stream === true);
    assert.deepEqual(
      streamed.map(({ ended_reason: reason }) => reason),
      ['complete', 'complete'],
    );
  } finally {
    await gateway.kill();
    await upstream.stop();
    await receiver.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

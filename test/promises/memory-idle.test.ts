/** What an open stream costs while nothing comes: at most 40 KB of resident memory. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { engineConfig } from '../helpers/engines.js';
import { startGateway } from '../helpers/gateway.js';
import { pollUntil } from '../helpers/poll.js';
import { openStreams } from '../helpers/ticking-client.js';
import { TickingUpstream } from '../helpers/ticking-upstream.js';

const STREAMS = 1000;
const BYTES_PER_STREAM_MAX = 40 * 1024;

it('an idle stream costs more than 40 KB', { timeout: 60_000 }, async (context) => {
  const upstream = await TickingUpstream.start(null);
  const gateway = await startGateway({ config: engineConfig(upstream.baseUrl, 'lean') });
  const open = async () => {
    const clients = await openStreams(gateway.port, STREAMS);
    await pollUntil(() => clients.every(({ events }) => events === 1), 20_000, 'first events');
    return clients;
  };
  try {
    const before = gateway.rssBytes();
    const clients = await open();
    const perStream = (gateway.rssBytes() - before) / STREAMS;
    context.diagnostic(`${(perStream / 1024).toFixed(1)} KB for each of ${STREAMS} idle streams`);
    assert.ok(perStream < BYTES_PER_STREAM_MAX, `${perStream} bytes each`);
    upstream.finishAll();
    await pollUntil(() => clients.every(({ isComplete }) => isComplete), 10_000, 'their end');
    await gateway.stop();
  } finally {
    await gateway.kill();
    await upstream.stop();
  }
});

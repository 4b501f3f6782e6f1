/** A GB passes in bounded memory, in both directions and framings, and no byte of it is altered. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BulkClient } from '../helpers/bulk-client.js';
import { BulkUpstream } from '../helpers/bulk-upstream.js';
import { ENGINES, type EngineName, engineConfig } from '../helpers/engines.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { formatMb, MB, MemoryWatch } from '../helpers/memory-watch.js';

/** The promise is a GB; undici, which is only the reference, gets less for the sake of time. */
const BYTES: Readonly<Record<EngineName, number>> = { lean: 1024 * MB, undici: 256 * MB };
const WARM_UP_BYTES = 64 * MB;
const GROWTH_BYTES_MAX = 100 * MB;
const PASS_MS_MAX = 60_000;

function describeEngine(engine: EngineName): void {
  describe(`${formatMb(BYTES[engine])} through Weir, ${engine}`, () => {
    let upstream: BulkUpstream;
    let gateway: Gateway;

    async function download(bytes: number, suffix: string): Promise<void> {
      const client = new BulkClient(gateway.port);
      client.get(`/v1/files/f/content?bytes=${bytes}${suffix}`);
      await client.untilComplete(PASS_MS_MAX);
      client.socket.destroy();
      assert.equal(client.status, 200);
      assert.equal(client.check.bytes, bytes);
      assert.equal(client.check.wrongAt, -1);
    }

    async function upload(bytes: number, framing: 'length' | 'chunked'): Promise<void> {
      const client = new BulkClient(gateway.port);
      client.upload('/v1/files', bytes, framing);
      await client.untilComplete(PASS_MS_MAX);
      client.socket.destroy();
      assert.deepEqual(JSON.parse(client.text), { bytes, wrongAt: -1 });
    }

    before(async () => {
      upstream = await BulkUpstream.start();
      gateway = await startGateway({ config: engineConfig(upstream.baseUrl, engine) });
      for (const framing of ['length', 'chunked'] as const) {
        await download(WARM_UP_BYTES, framing === 'chunked' ? '&chunked' : '');
        await upload(WARM_UP_BYTES, framing);
      }
    });

    after(async () => {
      await gateway?.stop();
      await upstream?.stop();
    });

    const passes: readonly (readonly [string, () => Promise<void>])[] = [
      ['an answer with a length', () => download(BYTES[engine], '')],
      ['an answer in chunks', () => download(BYTES[engine], '&chunked')],
      ['an upload with a length', () => upload(BYTES[engine], 'length')],
      ['an upload in chunks', () => upload(BYTES[engine], 'chunked')],
    ];
    for (const [name, pass] of passes) {
      it(`${name} is altered or piles up`, async (context) => {
        const watch = await MemoryWatch.during(gateway, pass);
        context.diagnostic(`memory rose by ${formatMb(watch.growthBytes)}`);
        assert.ok(watch.growthBytes < GROWTH_BYTES_MAX, `rose by ${formatMb(watch.growthBytes)}`);
      });
    }
  });
}

for (const engine of ENGINES) describeEngine(engine);

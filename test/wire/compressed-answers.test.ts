/**
 * Answers that are small on the wire and huge when they are unpacked. Weir passes them on as they came; the one thing
 * that it unpacks is an error's beginning, to tell its class, and that within a bound.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { renderRequest, renderResponse } from '../helpers/http-text.js';
import { chatBody, type LimitedGateway, startLimited } from '../helpers/limited.js';
import { formatMb, MB, MemoryWatch } from '../helpers/memory-watch.js';
import { send } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';

/** Packed it is below what Weir holds of an error to look into it. */
const UNPACKED_BYTES = 56 * MB;
const GROWTH_BYTES_MAX = 64 * MB;
const ROUNDS = 8;

describe('compressed answers', () => {
  const bomb = gzipSync(Buffer.concat([Buffer.from('{"a":"'), Buffer.alloc(UNPACKED_BYTES, 'a')]), {
    level: 9,
  });
  let limited: LimitedGateway;

  before(async () => {
    limited = await startLimited({
      limits: { team: [{ tokens: 1_000_000_000, per: '1m' }] },
      upstream: {
        script: ({ target }) => [
          send(
            renderResponse({
              status: Number(/status=(\d+)/.exec(target)?.[1] ?? 200),
              headers: [
                ['content-type', 'application/json'],
                ['content-encoding', 'gzip'],
              ],
              body: bomb,
            }),
          ),
        ],
      },
      models: { several: { targets: [{ provider: 'mock' }, { provider: 'mock', model: 'b' }] } },
    });
  });

  after(() => limited?.stop());

  /** In turn, so that what one leaves behind would add up. */
  async function askOften(model: string, status: number): Promise<void> {
    const client = await RawClient.connect({ port: limited.gateway.port });
    for (let round = 0; round < ROUNDS; round++) {
      client.send(
        renderRequest({
          target: `/v1/chat/completions?status=${status}`,
          headers: [
            ['authorization', 'Bearer wk-team'],
            ['accept-encoding', 'gzip'],
          ],
          body: JSON.stringify({ ...chatBody(1, 1), model, messages: [] }),
        }),
      );
      const answer = await client.readResponse();
      assert.equal(answer.status, status, answer.text.slice(0, 200));
      assert.equal(answer.sha256, createHash('sha256').update(bomb).digest('hex'));
    }
    client.destroy();
  }

  for (const [model, status] of [
    ['gpt-4o', 200],
    ['gpt-4o', 400],
    ['several', 400],
    ['several', 503],
  ] as const) {
    it(`P-24 compressed-answer-${status}-to-${model}-is-expanded-without-a-bound`, async (context) => {
      const watch = await MemoryWatch.during(limited.gateway, () => askOften(model, status), 10);
      context.diagnostic(
        `${ROUNDS} answers of ${bomb.length} bytes that unpack to ${formatMb(UNPACKED_BYTES)} each: ` +
          `memory rose by ${formatMb(watch.growthBytes)}`,
      );
      assert.ok(watch.growthBytes < GROWTH_BYTES_MAX, formatMb(watch.growthBytes));
    });
  }
});

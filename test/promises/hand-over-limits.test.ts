/**
 * P-22: limits over hand-overs from one server to the next: an exchange counts once, whichever of the two admits it,
 * and what still runs in the old one holds its place in the new one.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pause } from '../helpers/changes.js';
import { startGateway } from '../helpers/gateway.js';
import { renderJson, renderRequest } from '../helpers/http-text.js';
import { chatBody, readLimit, readLimits } from '../helpers/limited.js';
import { MockUpstream, type Script, send, waitMs } from '../helpers/mock-upstream.js';
import { pollUntil } from '../helpers/poll.js';
import { RawClient } from '../helpers/raw-client.js';
import { upgradeGateway } from '../helpers/upgrade.js';

const HAND_OVERS = 3;
const CLIENTS = 10;
const PLACES = 4;
const READY_MS = 20_000;
/** Of each answer; its prompt and answer are estimated to be more. */
const USED_TOKENS = 30;
const TOKENS_MAX = 200_000;

/** Clients that ask on kept connections, again and again, whatever they are answered. */
class Askers {
  isStopped = false;
  readonly statuses = new Map<number, number>();
  readonly #clients: Promise<void>[];

  constructor(port: number, consumer: string, count: number) {
    this.#clients = Array.from({ length: count }, () => this.#run(port, consumer));
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await Promise.all(this.#clients);
  }

  count(status: number): number {
    return this.statuses.get(status) ?? 0;
  }

  async #run(port: number, consumer: string): Promise<void> {
    while (!this.isStopped) {
      // Without a namespace of its own a connection may be reset in the kernel's queue; that is another test's business.
      const client = await RawClient.connect({ port }).catch(() => null);
      try {
        if (client !== null) await this.#useConnection(client, consumer);
      } finally {
        client?.destroy();
      }
    }
  }

  async #useConnection(client: RawClient, consumer: string): Promise<void> {
    while (!this.isStopped) {
      const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: consumer }] });
      const headers: [string, string][] = [['authorization', `Bearer wk-${consumer}`]];
      client.send(renderRequest({ target: '/v1/chat/completions', headers, body }));
      const answer = await client.readResponseOrClose({ timeoutMs: 15_000 });
      if (answer === null) return;
      this.statuses.set(answer.status, this.count(answer.status) + 1);
      if (/close/i.test(answer.header('connection') ?? '')) return;
      await pause(answer.status === 200 ? Math.random() * 30 : 25);
    }
  }
}

function consumerOf(text: string): string {
  return (JSON.parse(text) as { messages: { content: string }[] }).messages[0]?.content ?? '';
}

describe('limits over hand-overs', () => {
  it('P-22 hand-over-counts-twice-or-not-at-all', async (context) => {
    const running = { now: 0, most: 0 };
    const slow: Script = [
      async () => {
        running.now += 1;
        running.most = Math.max(running.most, running.now);
      },
      waitMs(40),
      async () => {
        running.now -= 1;
      },
      send(renderJson(chatBody(USED_TOKENS - 10, 10))),
    ];
    const upstream = await MockUpstream.start({
      script: (request) =>
        consumerOf(request.text) === 'places' ? slow : [send(renderJson(chatBody(20, 10)))],
    });
    const gateway = await startGateway({
      workers: 2,
      readyMs: READY_MS,
      config: {
        providers: { mock: { dialect: 'openai', base_url: upstream.baseUrl, api_key: 'sk-x' } },
        models: { '*': { provider: 'mock' } },
        consumers: {
          // So slow that nothing flows in while the test lasts.
          requests: { keys: ['wk-requests'], limits: [{ requests: 600, per: '300d' }] },
          places: {
            keys: ['wk-places'],
            limits: [{ concurrency: PLACES }, { tokens: TOKENS_MAX, per: '366d' }],
          },
        },
      },
    }).catch(async (error: unknown) => {
      await upstream.stop();
      throw error;
    });
    const askers = [
      new Askers(gateway.port, 'requests', CLIENTS),
      new Askers(gateway.port, 'places', CLIENTS),
    ];
    const countOf = (consumer: string): number =>
      upstream.requests.filter(({ text }) => consumerOf(text) === consumer).length;
    try {
      for (let count = 0; count < HAND_OVERS; count += 1) {
        const before = countOf('places');
        await pollUntil(() => countOf('places') > before + 20, 15_000, 'requests');
        await upgradeGateway(gateway);
      }
      await pollUntil(() => countOf('requests') >= 600, 20_000, 'the limit to be used up');
      await Promise.all(askers.map((group) => group.stop()));
      context.diagnostic(`${countOf('places')} of places; statuses of both:`);
      context.diagnostic(JSON.stringify(askers.map(({ statuses }) => [...statuses])));

      assert.equal(countOf('requests'), 600, 'more or fewer than the limit were let through');
      assert.equal((await readLimit(gateway, 'requests', 'requests')).level, 0);
      assert.ok(running.most <= PLACES, `${running.most} at a time`);
      assert.equal(running.most, PLACES, 'places were lost');
      await pollUntil(
        async () => (await readLimits(gateway, 'places')).every(({ held }) => held === 0),
        10_000,
        'nothing to be held any more',
      );
      const used = countOf('places') * USED_TOKENS;
      assert.equal((await readLimit(gateway, 'places', 'tokens')).level, TOKENS_MAX - used);
      assert.equal((await readLimit(gateway, 'places', 'concurrency')).level, PLACES);
      await gateway.stop();
      assert.equal(gateway.stderr, '');
    } finally {
      await Promise.all(askers.map((group) => group.stop()));
      await gateway.kill();
      await upstream.stop();
    }
  });
});

/** Which target a request goes to, from the file's words to the provider's socket. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startGateway } from '../helpers/gateway.js';
import { renderRequest } from '../helpers/http-text.js';
import { MockUpstream } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';

interface Sent {
  readonly headers?: readonly (readonly [string, string])[];
  readonly body: string;
}

const NAMES = ['east', 'west', 'south'];
const PATH = '/v1/chat/completions';

/** How many of `requests` each target has had, in the order of NAMES. */
async function countRequests(
  model: Readonly<Record<string, unknown>>,
  targets: readonly Readonly<Record<string, unknown>>[],
  requests: readonly Sent[],
): Promise<number[]> {
  const upstreams = await Promise.all(NAMES.map(() => MockUpstream.start()));
  const gateway = await startGateway({
    config: {
      workers: 2,
      providers: Object.fromEntries(
        NAMES.map((name, at) => [
          name,
          { dialect: 'openai', base_url: upstreams[at]?.baseUrl ?? '' },
        ]),
      ),
      models: {
        m: { ...model, targets: NAMES.map((provider, at) => ({ provider, ...targets[at] })) },
      },
    },
  });
  try {
    // Two connections, so that both workers may be asked.
    const clients = await Promise.all([0, 1].map(() => RawClient.connect({ port: gateway.port })));
    for (const [at, { headers = [], body }] of requests.entries()) {
      const client = clients[at % 2] as RawClient;
      client.send(renderRequest({ target: PATH, headers, body }));
      assert.equal((await client.readResponse()).status, 200);
    }
    for (const client of clients) client.destroy();
    return upstreams.map((upstream) => upstream.requests.length);
  } finally {
    await gateway.stop();
    await Promise.all(upstreams.map((upstream) => upstream.stop()));
  }
}

function repeat(times: number, body = '{"model":"m"}'): Sent[] {
  return Array.from({ length: times }, () => ({ body }));
}

describe('balancing', () => {
  it('lowest-cost-does-not-know-the-prices-where-nobody-is-metered', async () => {
    const models = [{ model: 'gpt-4o' }, { model: 'gpt-4o-mini' }, { model: 'nobody-knows' }];
    assert.deepEqual(await countRequests({ balance: 'lowest-cost' }, models, repeat(6)), [0, 6, 0]);
  });

  it('a-later-priority-has-requests-although-the-first-is-there', async () => {
    const targets = [{ priority: 1 }, { priority: 0 }, { priority: 1 }];
    assert.deepEqual(await countRequests({}, targets, repeat(10)), [0, 10, 0]);
  });

  it('workers-send-requests-with-one-header-to-different-targets', async () => {
    const requests = Array.from({ length: 40 }, (_, at) => ({
      headers: [['X-Session', `session-${at >> 3}`] as const],
      body: '{"model":"m"}',
    }));
    const model = { balance: 'hash', hash_by: 'header:X-Session' };
    const counts = await countRequests(model, [], requests);
    assert.ok(
      counts.every((count) => count % 8 === 0),
      counts.join(),
    );
    assert.ok(counts.filter((count) => count > 0).length > 1, 'not all sessions at one target');
  });

  it('requests-of-one-conversation-go-to-different-targets', async () => {
    const ask = (system: string, turns: number): string => {
      const first = [
        { role: 'system', content: system },
        { role: 'user', content: 'Why?' },
      ];
      const more = Array.from({ length: turns }, (_, at) => ({
        role: 'assistant',
        content: `${at}`,
      }));
      return JSON.stringify({ model: 'm', messages: [...first, ...more] });
    };
    const requests = Array.from({ length: 40 }, (_, at) => ({
      body: ask(`You are number ${at >> 3}.`, at & 7),
    }));
    const counts = await countRequests({ balance: 'hash', hash_by: 'prompt' }, [], requests);
    assert.ok(
      counts.every((count) => count % 8 === 0),
      counts.join(),
    );
    assert.ok(counts.filter((count) => count > 0).length > 1, 'not all at one target');
  });
});

/** `x-weir-debug`: the timeline of an exchange in its answer's headers, for whoever has a token and nobody else. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { renderRequest, renderResponse } from '../helpers/http-text.js';
import { type LimitedGateway, startLimited } from '../helpers/limited.js';
import { send } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';

const DEBUG_TOKEN = 'debug-token-0123456789';
const ADMIN_TOKEN = 'admin-token-0123456789';

describe('x-weir-debug', { timeout: 30_000 }, () => {
  let limited: LimitedGateway;
  let fails = 0;

  before(async () => {
    limited = await startLimited({
      workers: 1,
      limits: { team: [{ tokens: 100_000, per: '1h' }] },
      config: {
        admin: { host: '127.0.0.1', port: 0, token: ADMIN_TOKEN },
        debug_token: DEBUG_TOKEN,
        retry: { attempts: 2, backoff: '1ms' },
      },
      upstream: {
        script: () => {
          fails -= 1;
          return [send(renderResponse(fails >= 0 ? { status: 503 } : { body: '{}' }))];
        },
      },
    });
  });

  after(() => limited?.stop());

  async function ask(model: string, headers: readonly (readonly [string, string])[]) {
    const client = await RawClient.connect({ port: limited.gateway.port });
    const body = Buffer.from(JSON.stringify({ model, messages: [] }));
    const all = [
      ['authorization', 'Bearer wk-team'],
      ['content-type', 'application/json'],
      ...headers,
    ];
    client.send(
      renderRequest({ target: '/v1/chat/completions', headers: all as [string, string][], body }),
    );
    const answer = await client.readResponse();
    client.destroy();
    const shown = answer.headers.filter(([name]) => name.toLowerCase().startsWith('x-weir-debug'));
    return { answer, shown: Object.fromEntries(shown) as Record<string, string> };
  }

  it('who-has-a-token-sees-no-timeline', async () => {
    for (const token of [DEBUG_TOKEN, ADMIN_TOKEN]) {
      const { answer, shown } = await ask('other', [['x-weir-debug', token]]);
      assert.equal(answer.status, 200);
      const found =
        /^ready;dur=([\d.]+), sent;dur=([\d.]+), head;dur=([\d.]+), answer;dur=([\d.]+)$/.exec(
          shown['x-weir-debug-timeline'] ?? '',
        );
      assert.ok(found !== null, JSON.stringify(shown));
      const times = found.slice(1).map(Number);
      assert.deepEqual(
        [...times].sort((a, b) => a - b),
        times,
        'one after the other',
      );
      assert.equal(shown['x-weir-debug-consumer'], 'team');
      assert.equal(shown['x-weir-debug-model'], 'other');
      assert.equal(shown['x-weir-debug-target'], 'mock/gpt-4o-mini');
      assert.equal(shown['x-weir-debug-status'], '200');
      assert.match(shown['x-weir-debug-estimate'] ?? '', /^input=\d+, output=\d+$/);
    }
  });

  it('attempts-that-failed-are-not-told', async () => {
    fails = 1;
    const { answer, shown } = await ask('gpt-4o', [['x-weir-debug', DEBUG_TOKEN]]);
    assert.equal(answer.status, 200);
    assert.match(shown['x-weir-debug-attempts'] ?? '', /^mock\/gpt-4o;class=[a-z_]+;dur=[\d.]+/);
  });

  it('a-refusal-has-no-timeline', async () => {
    const { answer, shown } = await ask('nobody-has-it', [['x-weir-debug', DEBUG_TOKEN]]);
    assert.equal(answer.status, 404);
    assert.equal(shown['x-weir-debug-error'], 'model_not_found');
    assert.equal(shown['x-weir-debug-model'], 'nobody-has-it');
  });

  it('P-05 a-model-adds-a-debug-header-line', async () => {
    const { answer, shown } = await ask('evil\r\nx-evil: 1\u{1f600}', [
      ['x-weir-debug', DEBUG_TOKEN],
    ]);
    assert.equal(answer.status, 404);
    assert.equal(answer.header('x-evil'), undefined);
    assert.equal(shown['x-weir-debug-model'], encodeURIComponent('evil\r\nx-evil: 1\u{1f600}'));
  });

  it('strangers-see-a-timeline', async () => {
    const wrong = [
      `${DEBUG_TOKEN}x`,
      DEBUG_TOKEN.slice(1),
      '',
      'x'.repeat(8000),
      `${DEBUG_TOKEN}, x`,
    ];
    for (const token of wrong) {
      const { answer, shown } = await ask('gpt-4o', [['x-weir-debug', token]]);
      assert.equal(answer.status, 200);
      assert.deepEqual(shown, {});
    }
    const without = await ask('gpt-4o', []);
    assert.deepEqual(without.shown, {});
  });

  it('a-provider-is-told-the-token', () => {
    const { requests } = limited.upstream;
    assert.ok(requests.length > 0);
    for (const request of requests) {
      assert.equal(request.header('x-weir-debug'), undefined);
      assert.ok(!JSON.stringify(request.headers).includes(DEBUG_TOKEN));
    }
  });
});

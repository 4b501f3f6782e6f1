/**
 * P-18: when every target is down, further attempts stay within their share and each caller gets an error; and however
 * many attempts an exchange takes, its consumer pays once (P-22).
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BOUNDS } from '../../src/core/bounds.js';
import { readMetric } from '../helpers/engine-matrix.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { renderJson } from '../helpers/http-text.js';
import {
  askChat,
  chatBody,
  type LimitedGateway,
  startLimited,
  untilSettled,
} from '../helpers/limited.js';
import { MockUpstream, rst, type Script, send } from '../helpers/mock-upstream.js';

const EXCHANGES = 400;
const PERCENT = 20;

function fail(status: number): Script {
  return [send(renderJson({ error: { message: 'down' } }, { status }))];
}

describe('the budget of attempts', { timeout: 60_000 }, () => {
  let upstream: MockUpstream;
  let gateway: Gateway;

  before(async () => {
    upstream = await MockUpstream.start({ script: () => fail(503), keepsBodies: false });
    const provider = { dialect: 'openai', base_url: upstream.baseUrl };
    gateway = await startGateway({
      workers: 1,
      config: {
        retry: { attempts: 3, budget: PERCENT, backoff: '1ms', backoff_max: '5ms' },
        providers: { a: provider, b: provider, c: provider },
        models: { m: { targets: [{ provider: 'a' }, { provider: 'b' }, { provider: 'c' }] } },
      },
    });
  });

  after(async () => {
    await gateway?.stop().finally(() => upstream.stop());
  });

  it('P-18 a-storm-is-not-amplified', async () => {
    const ask = async (): Promise<number> => {
      const answer = await fetch(`${gateway.baseUrl}/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"model":"m"}',
      });
      await answer.text();
      return answer.status;
    };
    const statuses: number[] = [];
    for (let round = 0; round < EXCHANGES / 20; round += 1) {
      statuses.push(...(await Promise.all(Array.from({ length: 20 }, ask))));
    }
    assert.deepEqual([...new Set(statuses)], [503]);
    const further = upstream.requests.length - EXCHANGES;
    const allowed = (EXCHANGES * PERCENT) / 100 + BOUNDS.retryBudgetFloor;
    assert.ok(further > 0 && further <= allowed, `${further} further attempts, ${allowed} allowed`);
    // Each exchange but those that had all three attempts was refused one in the end.
    const refused = await readMetric(gateway, 'weir_retry_budget_refused_total');
    assert.ok(refused >= EXCHANGES - allowed && refused <= EXCHANGES, `${refused} refused`);
  });
});

describe('what several attempts cost a consumer', { timeout: 60_000 }, () => {
  let limited: LimitedGateway;
  let script: (number: number) => Script = () => [];
  let asked = 0;

  before(async () => {
    limited = await startLimited({
      upstream: { script: () => script(asked++) },
      limits: {
        once: [
          { requests: 100, per: '1d' },
          { tokens: 1_000_000, per: '1d' },
        ],
      },
      config: { retry: { backoff: '1ms', budget: 100 } },
      models: {
        chained: { provider: 'mock', fallbacks: ['cheap'], retry: { attempts: 1 } },
        cheap: { provider: 'mock', model: 'gpt-4o-mini' },
        single: { provider: 'mock', retry: { attempts: 1 } },
      },
    });
  });

  after(() => limited?.stop());

  async function settledBy(model: string): Promise<{ requests: number; tokens: number }> {
    asked = 0;
    const { gateway } = limited;
    const [before, tokensBefore] = await untilSettled(gateway, 'once');
    await (await askChat(gateway, 'once', { model })).text();
    const [after, tokensAfter] = await untilSettled(gateway, 'once');
    return {
      requests: (after?.settled ?? 0) - (before?.settled ?? 0),
      tokens: (tokensAfter?.settled ?? 0) - (tokensBefore?.settled ?? 0),
    };
  }

  it('P-22 buckets-are-charged-once', async () => {
    const good: Script = [send(renderJson(chatBody(9, 3)))];
    script = (number) => (number === 0 ? fail(503) : number === 1 ? [rst()] : good);
    assert.deepEqual(await settledBy('gpt-4o'), { requests: 1, tokens: 12 });
    assert.equal(asked, 3);
  });

  it('P-22 a-fallback-is-charged-at-its-own-price', async () => {
    script = (number) => (number === 0 ? fail(503) : [send(renderJson(chatBody(1_000_000, 0)))]);
    await settledBy('chained');
    const line = await limited.gateway.waitForLog((entry) => entry['model'] === 'chained');
    const usage = line['usage'] as { cost_dollars: number } | undefined;
    // A million tokens of prompts cost 0.15 dollars with gpt-4o-mini, and 2.50 with gpt-4o.
    assert.equal(usage?.cost_dollars, 0.15);
  });

  it('P-22 what-no-provider-has-read-is-given-back', async () => {
    script = () => fail(503);
    assert.deepEqual(await settledBy('gpt-4o'), await settledBy('single'));
  });
});

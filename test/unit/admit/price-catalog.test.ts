/** The cut-down price list says what the package says, for every model of every provider that a test can name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calcPrice, findProvider } from '@pydantic/genai-prices';
import { costNanoDollars } from '../../../src/admit/cost.js';
import { loadPriceCatalog } from '../../../src/admit/price-catalog.js';
import { createPriceList } from '../../../src/admit/prices.js';
import { createPricedConfig, createProvider, createUsage } from '../../helpers/price-config.js';

const DAY_MS = Date.UTC(2026, 10, 22);
const PROVIDERS = [
  'openai',
  'anthropic',
  'google',
  'azure',
  'aws',
  'mistral',
  'groq',
  'cohere',
  'x-ai',
  'together',
  'openrouter',
];
const TOKENS = { input: 10_000, cached: 3000, written: 2000, output: 500 };

test('every listed model costs what the package calculates, short and long', async () => {
  const config = createPricedConfig(
    PROVIDERS.map((id) => createProvider(id, 'http://127.0.0.1:1')),
    Object.fromEntries(PROVIDERS.map((id) => [id, [{ provider: id, model: null }]])),
  );
  const wild = { ...config, models: config.models.map((model) => ({ ...model, name: '*' })) };
  const catalog = await loadPriceCatalog(config, DAY_MS);
  let compared = 0;
  for (const [index, id] of PROVIDERS.entries()) {
    const list = createPriceList(
      { ...config, models: [wild.models[index] as (typeof wild.models)[number]] },
      catalog,
    );
    for (const model of findProvider({ providerId: id })?.models ?? []) {
      for (const times of [1, 30]) {
        const [input, cached, written, output] = [
          TOKENS.input * times,
          TOKENS.cached * times,
          TOKENS.written * times,
          TOKENS.output,
        ];
        let expected: ReturnType<typeof calcPrice>;
        try {
          expected = calcPrice(
            {
              input_tokens: input,
              cache_read_tokens: cached,
              cache_write_tokens: written,
              output_tokens: output,
            },
            model.id,
            { providerId: id, timestamp: new Date(DAY_MS) },
          );
        } catch {
          continue;
        }
        const price = list.priceOf('*', 0, model.id);
        if (expected === null) continue;
        const prices = expected.model_price;
        if (price === null) {
          assert.ok(!('input_mtok' in prices || 'output_mtok' in prices), `${id}/${model.id}`);
          continue;
        }
        // A price for each request, whatever its tokens, is left out.
        if ('requests_kcount' in prices) continue;
        const usage = createUsage({
          inputTokens: input,
          cachedInputTokens: cached,
          cacheWriteTokens: written,
          outputTokens: output,
        });
        const nano = costNanoDollars(price, usage);
        const error = nano - expected.total_price * 1e9;
        // A price with more than six decimals is rounded up: a pico-dollar a token.
        assert.ok(
          error > -1 && error < 2 + (input + output) / 1000,
          `${id}/${model.id}: ${nano}, the package says ${expected.total_price * 1e9}`,
        );
        compared += 1;
      }
    }
  }
  assert.ok(compared > 1000, `${compared} compared`);
});

test('a provider is known by its address before its name, and by its name before its dialect', async () => {
  const config = createPricedConfig(
    [
      createProvider('anthropic', 'https://api.openai.com/v1'),
      createProvider('groq', 'http://127.0.0.1:1'),
      createProvider('mine', 'http://127.0.0.1:1'),
      createProvider('eu', 'https://example.openai.azure.com/openai/v1'),
    ],
    {},
  );
  const catalog = await loadPriceCatalog(config, DAY_MS);
  const names = (provider: string): string =>
    JSON.stringify(catalog[provider]?.map(({ match }) => match));
  assert.ok(
    names('anthropic').includes('gpt-4o-mini') && !names('anthropic').includes('claude-sonnet'),
  );
  assert.ok(names('groq').includes('llama-3.3-70b'));
  assert.equal(names('mine'), names('anthropic'));
  assert.ok(names('eu').includes('gpt-4o-mini'), 'Azure sells what OpenAI lists');
});

test('a price holds from its day on', async () => {
  const config = createPricedConfig([createProvider('openai', 'https://api.openai.com/v1')], {
    o3: [{ provider: 'openai' }],
  });
  const inputAt = async (wallMs: number): Promise<number | undefined> =>
    createPriceList(config, await loadPriceCatalog(config, wallMs)).priceOf('o3', 0, null)?.rates
      .input;
  assert.equal(await inputAt(Date.UTC(2025, 5, 9)), 10_000_000);
  assert.equal(await inputAt(Date.UTC(2025, 5, 10)), 2_000_000);
});

test('where the hour decides, the dearest counts', async () => {
  const config = createPricedConfig([createProvider('deepseek', 'https://api.deepseek.com')], {
    'deepseek-chat': [{ provider: 'deepseek' }],
  });
  const price = createPriceList(config, await loadPriceCatalog(config, DAY_MS)).priceOf(
    'deepseek-chat',
    0,
    null,
  );
  const atHours = [4, 20].map(
    (hour) =>
      calcPrice({ input_tokens: 1_000_000 }, 'deepseek-chat', {
        providerId: 'deepseek',
        timestamp: new Date(DAY_MS + hour * 3_600_000),
      })?.total_price ?? 0,
  );
  assert.notEqual(atHours[0], atHours[1], 'the list still has hours for it');
  assert.equal(price?.rates.input, Math.round(Math.max(...atHours) * 1e6));
});

test('the list is plain data that a thread can be handed', async () => {
  const config = createPricedConfig([createProvider('openai', 'https://api.openai.com/v1')], {});
  const catalog = await loadPriceCatalog(config, DAY_MS);
  const copy = structuredClone(catalog);
  assert.equal(JSON.stringify(copy), JSON.stringify(catalog));
  assert.ok(JSON.stringify(catalog).length < 64 * 1024);
});

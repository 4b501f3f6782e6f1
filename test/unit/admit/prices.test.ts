/** Which price a target has: its own, the list's, or none; and names that clients write. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { costNanoDollars } from '../../../src/admit/cost.js';
import { loadPriceCatalog, type PriceCatalog } from '../../../src/admit/price-catalog.js';
import { createPriceList } from '../../../src/admit/prices.js';
import { BOUNDS } from '../../../src/core/bounds.js';
import {
  createPrice,
  createPricedConfig,
  createProvider,
  createUsage,
} from '../../helpers/price-config.js';

const NOVEMBER_MS = Date.UTC(2026, 10, 22);
const OPENAI = createProvider('main', 'https://api.openai.com/v1');
const HOUSE = createProvider('house', 'http://10.0.0.1:8000/v1');
const MILLION_IN = createUsage({ inputTokens: 100_000, outputTokens: 0 });

test('the price in the configuration goes before the list’s', async () => {
  const config = createPricedConfig([OPENAI], {
    'gpt-4o': [{ provider: 'main', price: createPrice({ input: 7 }) }, { provider: 'main' }],
  });
  const list = createPriceList(config, await loadPriceCatalog(config, NOVEMBER_MS));
  assert.equal(costNanoDollars(list.priceOf('gpt-4o', 0, 'gpt-4o'), MILLION_IN), 700_000_000);
  assert.equal(costNanoDollars(list.priceOf('gpt-4o', 1, 'gpt-4o'), MILLION_IN), 250_000_000);
});

test('the provider’s name of the model decides, not the one that clients ask for', async () => {
  const config = createPricedConfig([OPENAI], {
    fast: [{ provider: 'main', model: 'gpt-4o-mini' }],
  });
  const list = createPriceList(config, await loadPriceCatalog(config, NOVEMBER_MS));
  assert.equal(costNanoDollars(list.priceOf('fast', 0, 'fast'), MILLION_IN), 15_000_000);
});

test('behind an address of one’s own a model costs as at the inventor of its dialect', async () => {
  const claude = { ...createProvider('proxy', 'http://10.0.0.2'), dialect: 'anthropic' as const };
  const config = createPricedConfig([HOUSE, claude], {
    'gpt-4o': [{ provider: 'house' }],
    'claude-sonnet-4-5': [{ provider: 'proxy' }],
  });
  const list = createPriceList(config, await loadPriceCatalog(config, NOVEMBER_MS));
  assert.equal(costNanoDollars(list.priceOf('gpt-4o', 0, null), MILLION_IN), 250_000_000);
  assert.equal(
    costNanoDollars(list.priceOf('claude-sonnet-4-5', 0, null), MILLION_IN),
    300_000_000,
  );
});

test('a model that the list does not know has no price and is named', async () => {
  const config = createPricedConfig([HOUSE], {
    llama: [
      { provider: 'house', model: 'our-llama-9' },
      { provider: 'house', price: createPrice({}) },
    ],
    '*': [{ provider: 'house' }],
  });
  const list = createPriceList(config, await loadPriceCatalog(config, NOVEMBER_MS));
  assert.equal(list.priceOf('llama', 0, 'llama'), null);
  assert.deepEqual(list.unpriced, ['llama → house/our-llama-9']);
});

test('no entry, no target, no name: no price, and no throw', async () => {
  const config = createPricedConfig([OPENAI], { '*': [{ provider: 'main' }] });
  const list = createPriceList(config, await loadPriceCatalog(config, NOVEMBER_MS));
  assert.equal(list.priceOf('gone', 0, 'gpt-4o'), null);
  assert.equal(list.priceOf('*', 5, 'gpt-4o'), null);
  assert.equal(list.priceOf('*', 0, null), null);
  assert.equal(list.highestOf('gone', 'gpt-4o'), null);
  assert.equal(list.priceOf('*', 0, `gpt-4o${'x'.repeat(BOUNDS.pricedNameCharsMax)}`), null);
  assert.equal(list.priceOf('*', 0, '__proto__'), null);
});

test('under the wildcard the client’s name is looked up, in any case and however its day is spelled', async () => {
  const config = createPricedConfig([OPENAI], { '*': [{ provider: 'main' }] });
  const list = createPriceList(config, await loadPriceCatalog(config, NOVEMBER_MS));
  const expected = list.priceOf('*', 0, 'gpt-4o');
  assert.ok(expected !== null);
  for (const name of ['GPT-4o', 'gpt-4o-2024-08-06', 'gpt-4o-20240806']) {
    assert.deepEqual(list.priceOf('*', 0, name), expected, name);
  }
});

test('names that clients write are kept within the bound, and found again after', () => {
  let looked = 0;
  const price = {
    rates: { input: 1, output: 1, cachedInput: 1, cacheWrite: 1, audioInput: 1, audioOutput: 1 },
    tiers: [],
  };
  const match = {
    get starts_with(): string {
      looked += 1;
      return 'm';
    },
  };
  const catalog: PriceCatalog = { main: [{ match, price }] };
  const list = createPriceList(
    createPricedConfig([OPENAI], { '*': [{ provider: 'main' }] }),
    catalog,
  );
  const names = Array.from({ length: BOUNDS.pricedNamesMax + 1 }, (_, i) => `m${i}`);
  for (const name of names) assert.equal(list.priceOf('*', 0, name), price);
  const afterFirst = looked;
  assert.equal(list.priceOf('*', 0, 'm1'), price);
  assert.equal(looked, afterFirst, 'a name that is kept is not looked up again');
  list.priceOf('*', 0, 'm0');
  assert.ok(looked > afterFirst, 'the oldest made room');
});

test('the highest of an entry is below no target’s price, whatever is asked', async () => {
  const cheapOutput = createPrice({ input: 9, output: 1 });
  const config = createPricedConfig([OPENAI, HOUSE], {
    mixed: [
      { provider: 'main', model: 'gpt-4o' },
      { provider: 'main', price: cheapOutput },
      { provider: 'house', model: 'nobody-knows' },
    ],
    '*': [{ provider: 'main' }, { provider: 'house', price: cheapOutput }],
    none: [{ provider: 'house', model: 'nobody-knows' }],
  });
  const list = createPriceList(config, await loadPriceCatalog(config, NOVEMBER_MS));
  const usage = createUsage({ inputTokens: 1000, outputTokens: 1000 });
  assert.equal(costNanoDollars(list.highestOf('mixed', 'mixed'), usage), 1000 * (9000 + 10_000));
  assert.equal(costNanoDollars(list.highestOf('*', 'gpt-4o'), usage), 1000 * (9000 + 10_000));
  assert.equal(costNanoDollars(list.highestOf('*', 'unknown'), usage), 1000 * (9000 + 1000));
  assert.equal(list.highestOf('none', 'none'), null);
});

test('the highest of two that become dearer at different lengths is below neither at any', () => {
  const rates = (input: number) => ({
    input,
    output: 0,
    cachedInput: input,
    cacheWrite: input,
    audioInput: input,
    audioOutput: 0,
  });
  const catalog: PriceCatalog = {
    main: [
      {
        match: { equals: 'a' },
        price: { rates: rates(3), tiers: [{ aboveInputTokens: 200, rates: rates(20) }] },
      },
    ],
    house: [
      {
        match: { equals: 'a' },
        price: { rates: rates(5), tiers: [{ aboveInputTokens: 100, rates: rates(10) }] },
      },
    ],
  };
  const list = createPriceList(
    createPricedConfig([OPENAI, HOUSE], { a: [{ provider: 'main' }, { provider: 'house' }] }),
    catalog,
  );
  assert.deepEqual(list.highestOf('a', null), {
    rates: rates(5),
    tiers: [
      { aboveInputTokens: 100, rates: rates(10) },
      { aboveInputTokens: 200, rates: rates(20) },
    ],
  });
});

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { formatEffective } from '../../../src/config/effective.js';
import { formatJsonSchema } from '../../../src/config/json-schema.js';
import { loadConfig } from '../../../src/config/load.js';
import type { WeirConfig } from '../../../src/config/model.js';
import { CHECKED, FULL, MINIMAL, parse, providerOf } from '../../helpers/config-files.js';

test('base URLs are completed and trimmed', () => {
  const cases: [string, string, string][] = [
    ['openai', 'https://a.test', 'https://a.test'],
    ['openai', 'HTTPS://A.test:8443/x/v1//', 'https://a.test:8443/x/v1'],
    ['anthropic', 'https://a.test', 'https://a.test/v1'],
    ['anthropic', 'https://a.test/v1/', 'https://a.test/v1'],
    ['anthropic', 'https://a.test/proxy', 'https://a.test/proxy/v1'],
  ];
  for (const [dialect, url, expected] of cases) {
    assert.equal(providerOf(`{ dialect: ${dialect}, base_url: "${url}" }`).baseUrl, expected, url);
  }
});

test('an empty key counts as left out, but an empty variable must be meant', () => {
  const withKey = (key: string) => `{ dialect: openai, base_url: "http://a", api_key: "${key}" }`;
  assert.equal(providerOf(withKey('${KEY:-}')).apiKey, null);
  assert.equal(providerOf(withKey('${KEY:-}'), { KEY: 'k' }).apiKey, 'k');
  assert.throws(
    () => providerOf(withKey('${KEY}'), { KEY: '' }),
    /the environment variable KEY is empty/,
  );
});

test('the forms of log.access', () => {
  for (const [form, expected] of Object.entries({
    on: true,
    off: false,
    true: true,
    false: false,
    '"${A}"': false,
  })) {
    assert.equal(
      parse(`${MINIMAL}log: { access: ${form} }\n`, { A: 'off' }).log.access,
      expected,
      form,
    );
  }
});

test('the forms of log.sample', () => {
  assert.equal(parse(MINIMAL).log.sample, 1);
  for (const [form, expected] of Object.entries({ '0.01': 0.01, 1: 1, '1e-6': 1e-6 })) {
    assert.equal(parse(`${MINIMAL}log: { sample: ${form} }\n`).log.sample, expected, form);
  }
  assert.equal(parse(`${MINIMAL}log: { sample: "\${A}" }\n`, { A: '0.5' }).log.sample, 0.5);
});

test('the default host of a bare port is public for listen, local for admin', () => {
  const config = parse(`${MINIMAL}listen: 80\nadmin: { port: 81 }\n`);
  assert.deepEqual([config.listen.host, config.admin.host], ['0.0.0.0', '127.0.0.1']);
});

test('comments are not searched for variables', () => {
  assert.doesNotThrow(() => parse(`# \${NONE}\n${MINIMAL}`));
});

test('the effective configuration reads back as itself and shows no key', () => {
  for (const text of [MINIMAL, FULL, CHECKED]) {
    const config = parse(text, { PORT: '443' });
    const effective = formatEffective(config);
    assert.doesNotMatch(
      effective,
      /sk-secret|wk-one|wk-two|ss-word|proxy\.test|admin-token|bill-secret/,
    );
    // A hidden key and the tier, whose limits are written out, are the only differences.
    assert.deepEqual(parse(effective), {
      ...config,
      admin: { ...config.admin, token: config.admin.token && '*'.repeat(16) },
      providers: config.providers.map((provider) => ({
        ...provider,
        apiKey: provider.apiKey && '***',
        proxyUrl: provider.proxyUrl && 'http://***',
      })),
      consumers: config.consumers?.map((consumer) => ({ ...consumer, tier: null })) ?? null,
      usage: hideToken(config.usage),
    });
  }
});

function hideToken(usage: WeirConfig['usage']): WeirConfig['usage'] {
  return usage === null || usage.deliver === null
    ? usage
    : { ...usage, deliver: { ...usage.deliver, token: '***' } };
}

test('the effective configuration survives names that look like YAML', () => {
  for (const name of [
    'on',
    'null',
    '~',
    '1.5',
    'a: b',
    '#x',
    '*',
    '&a',
    'é',
    "it's",
    '<<x',
    '- a',
  ]) {
    const quoted = JSON.stringify(name);
    const text = `providers: { ${quoted}: { dialect: openai, base_url: "http://a" } }\nmodels: { ${quoted}: { provider: ${quoted}, model: "$\${x}" } }\n`;
    const config = parse(text);
    assert.equal(config.models[0]?.name, name);
    assert.equal(config.models[0]?.targets[0]?.model, '${x}');
    assert.deepEqual(parse(formatEffective(config)), config, name);
  }
});

test('the shipped configuration loads with an empty environment', () => {
  const config = loadConfig(join(process.cwd(), 'config/weir.yaml'), {});
  assert.deepEqual(
    config.providers.map(({ name, baseUrl, apiKey }) => ({ name, baseUrl, apiKey })),
    [
      { name: 'openai', baseUrl: 'https://api.openai.com/v1', apiKey: null },
      { name: 'anthropic', baseUrl: 'https://api.anthropic.com/v1', apiKey: null },
    ],
  );
  assert.deepEqual(
    config.models.find((model) => model.name === 'fast')?.targets[0]?.model,
    'gpt-4o-mini',
  );
  assert.equal(config.consumers, null);
});

test('the examples load with the variables that they name', () => {
  const directory = join(process.cwd(), 'config/examples');
  const env = {
    OPENAI_API_KEY: 'sk-o',
    ANTHROPIC_API_KEY: 'sk-a',
    AZURE_API_KEY: 'sk-z',
    AZURE_BASE_URL: 'https://azure.test/openai/v1',
    TEAM_B_KEY: 'wk-b',
  };
  const files = readdirSync(directory)
    .filter((name) => name.endsWith('.yaml'))
    .sort();
  assert.deepEqual(files, ['consumers.yaml', 'proxy-only.yaml', 'two-providers.yaml']);
  const [consumers, , twoProviders] = files.map((name) => loadConfig(join(directory, name), env));
  const digest = createHash('sha256').update('wk-team-a-example').digest('hex');
  assert.deepEqual(consumers?.consumers?.[0]?.keyDigests, [digest]);
  // The merged mapping keeps what it does not override.
  assert.deepEqual(twoProviders?.providers[2]?.timeouts, {
    connectMs: 2000,
    firstByteMs: 120_000,
    firstTokenMs: null,
    idleMs: 60_000,
    wholeMs: null,
  });
});

test('the committed JSON schema is the one that the build would write', () => {
  assert.equal(readFileSync(join(process.cwd(), 'config/schema.json'), 'utf8'), formatJsonSchema());
});

test('every field of the JSON schema has a description, so that editors can show it', () => {
  const undescribed: string[] = [];
  const walk = (node: unknown, path: string): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [key, child] of Object.entries(node)) {
      if (key === 'properties') {
        for (const [name, field] of Object.entries(child as Record<string, unknown>)) {
          const isBanned = field === false;
          if (!isBanned && !Object.hasOwn(field as object, 'description'))
            undescribed.push(`${path}.${name}`);
        }
      }
      walk(child, `${path}.${key}`);
    }
  };
  walk(JSON.parse(formatJsonSchema()), '');
  assert.deepEqual(undescribed, []);
});

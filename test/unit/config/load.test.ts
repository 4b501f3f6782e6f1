import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { formatEffective } from '../../../src/config/effective.js';
import { formatJsonSchema } from '../../../src/config/json-schema.js';
import { loadConfig, parseConfig } from '../../../src/config/load.js';
import type { WeirConfig } from '../../../src/config/model.js';

const MINIMAL =
  'providers: { p: { dialect: openai, base_url: "http://a/v1/" } }\nmodels: { "*": { provider: p } }\n';

function parse(text: string, env: NodeJS.ProcessEnv = {}): WeirConfig {
  return parseConfig(text, '/etc/weir/w.yaml', env);
}

function providerOf(fields: string, env: NodeJS.ProcessEnv = {}) {
  const [provider] = parse(
    `providers: { p: ${fields} }\nmodels: { m: { provider: p } }\n`,
    env,
  ).providers;
  assert.ok(provider);
  return provider;
}

const FULL = `
listen: { host: "::", port: "\${PORT}", tls: { cert: cert.pem, key: /keys/key.pem } }
admin: "[::1]:9090"
workers: 3
accept: reuseport
state_dir: ./state
drain_timeout: 90s
log: { level: warn, access: off }
providers:
  a: { dialect: openai, base_url: "https://a.test/v1", api_key: sk-secret }
  b:
    dialect: anthropic
    base_url: https://b.test/
    timeouts: { connect: 1s, first_byte: 2s, idle: 3s }
    connections: { max: 4, queue: 5, queue_timeout: 6s, keep_alive: 7s }
models:
  constructor: { provider: a }
  wide:
    targets: [{ provider: a, model: x, weight: 3, price: { input: 2.5, output: 10, cached_input: 0 } }, { provider: b }]
    balance: least-busy
    fallbacks: [constructor]
    context_fallbacks: [constructor]
    content_fallbacks: [constructor]
    hedge: 2s
    retry: { attempts: 5, backoff: 7ms }
tiers:
  gold: { limits: [{ requests: 6, per: 1m }, { concurrency: 2 }] }
consumers:
  one: { keys: [wk-one, "sha256:${'AB'.repeat(32)}"], tier: gold, limits: [{ cost: 0.5, per: 1d, burst: 2 }, { output_tokens: 9, per: 1s, models: [wide], enforce: stream }] }
  two: { keys: [wk-two] }
callers: { by: user, limits: [{ requests: 60, per: 1m }, { concurrency: 8, models: [wide] }] }
`;

const COUNTS_ALL = { models: null, enforce: 'request' } as const;

const NO_ATTEMPTS = {
  contextFallbacks: [],
  contentFallbacks: [],
  hedgeMs: null,
  retry: { attemptsMax: 3, backoffMs: 100 },
} as const;

test('defaults of the smallest file', () => {
  assert.deepEqual(parse(MINIMAL), {
    file: '/etc/weir/w.yaml',
    listen: { host: '0.0.0.0', port: 8080, tls: null },
    admin: { host: '127.0.0.1', port: 8081 },
    workers: availableParallelism(),
    accept: 'auto',
    stateDir: null,
    drainTimeoutMs: 60_000,
    log: { level: 'info', access: true },
    retry: { attemptsMax: 3, backoffMs: 100, backoffMsMax: 5000, budgetPercent: 20 },
    providers: [
      {
        name: 'p',
        dialect: 'openai',
        baseUrl: 'http://a/v1',
        apiKey: null,
        timeouts: { connectMs: 5000, firstByteMs: 600_000, idleMs: 300_000 },
        engine: 'auto',
        asksUsage: true,
        connections: { max: 16_384, queue: 1024, queueTimeoutMs: 5000, keepAliveMs: 4000 },
      },
    ],
    models: [
      {
        name: '*',
        targets: [{ provider: 'p', model: null, weight: 1, price: null }],
        balance: 'weighted',
        fallbacks: [],
        ...NO_ATTEMPTS,
      },
    ],
    consumers: null,
    callers: null,
    warnings: [],
  });
});

test('every field', () => {
  const config = parse(FULL, { PORT: '443' });
  assert.deepEqual(config.listen, {
    host: '::',
    port: 443,
    tls: { cert: '/etc/weir/cert.pem', key: '/keys/key.pem' },
  });
  assert.deepEqual(config.admin, { host: '::1', port: 9090 });
  assert.equal(config.workers, 3);
  assert.equal(config.accept, 'reuseport');
  assert.equal(config.stateDir, '/etc/weir/state');
  assert.equal(config.drainTimeoutMs, 90_000);
  assert.deepEqual(config.log, { level: 'warn', access: false });
  assert.equal(config.providers[0]?.apiKey, 'sk-secret');
  assert.deepEqual(config.providers[1], {
    name: 'b',
    dialect: 'anthropic',
    baseUrl: 'https://b.test/v1',
    apiKey: null,
    timeouts: { connectMs: 1000, firstByteMs: 2000, idleMs: 3000 },
    engine: 'auto',
    asksUsage: true,
    connections: { max: 4, queue: 5, queueTimeoutMs: 6000, keepAliveMs: 7000 },
  });
  assert.deepEqual(config.models, [
    {
      name: 'constructor',
      targets: [{ provider: 'a', model: null, weight: 1, price: null }],
      balance: 'weighted',
      fallbacks: [],
      ...NO_ATTEMPTS,
    },
    {
      name: 'wide',
      targets: [
        {
          provider: 'a',
          model: 'x',
          weight: 3,
          price: {
            input: 2.5,
            output: 10,
            cachedInput: 0,
            cacheWrite: null,
            audioInput: null,
            audioOutput: null,
          },
        },
        { provider: 'b', model: null, weight: 1, price: null },
      ],
      balance: 'least-busy',
      fallbacks: ['constructor'],
      contextFallbacks: ['constructor'],
      contentFallbacks: ['constructor'],
      hedgeMs: 2000,
      retry: { attemptsMax: 5, backoffMs: 7 },
    },
  ]);
  const digest = (key: string) => createHash('sha256').update(key).digest('hex');
  assert.deepEqual(config.consumers, [
    {
      name: 'one',
      keyDigests: [digest('wk-one'), 'ab'.repeat(32)],
      tier: 'gold',
      limits: [
        { kind: 'requests', amount: 6, perMs: 60_000, burst: 6, ...COUNTS_ALL },
        { kind: 'concurrency', amount: 2, models: null },
        { kind: 'cost', amount: 0.5, perMs: 86_400_000, burst: 2, ...COUNTS_ALL },
        {
          kind: 'output_tokens',
          amount: 9,
          perMs: 1000,
          burst: 9,
          models: ['wide'],
          enforce: 'stream',
        },
      ],
    },
    { name: 'two', keyDigests: [digest('wk-two')], tier: null, limits: [] },
  ]);
  assert.deepEqual(config.callers, {
    by: 'user',
    slots: 65_536,
    limits: [
      { kind: 'requests', amount: 60, perMs: 60_000, burst: 60, ...COUNTS_ALL },
      { kind: 'concurrency', amount: 8, models: ['wide'] },
    ],
  });
  assert.doesNotMatch(JSON.stringify(config), /wk-one|wk-two/);
});

test('what is not enforced yet is said, once for each kind', () => {
  assert.deepEqual(parse(FULL, { PORT: '443' }).warnings, [
    'balance of model "wide": not enforced by this version; the targets take turns.',
    'weight in model "wide": not enforced by this version; the targets take turns.',
  ]);
});

test('a fallback that speaks another dialect is said to be passed over', () => {
  const models = `models:
  gpt: { provider: a, fallbacks: [claude], context_fallbacks: [both] }
  claude: { provider: b, fallbacks: [both] }
  both: { targets: [{ provider: a }, { provider: b }] }
`;
  const file = FULL.replace(/models:\n {2}constructor[\s\S]*?(?=tiers:)/, models).replaceAll(
    'models: [wide]',
    'models: [both]',
  );
  assert.deepEqual(parse(file, { PORT: '443' }).warnings, [
    'fallbacks that speak another dialect than model "gpt": not enforced by this version; they are passed over.',
  ]);
});

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

test('the default host of a bare port is public for listen, local for admin', () => {
  const config = parse(`${MINIMAL}listen: 80\nadmin: { port: 81 }\n`);
  assert.deepEqual([config.listen.host, config.admin.host], ['0.0.0.0', '127.0.0.1']);
});

test('comments are not searched for variables', () => {
  assert.doesNotThrow(() => parse(`# \${NONE}\n${MINIMAL}`));
});

test('the effective configuration reads back as itself and shows no key', () => {
  for (const text of [MINIMAL, FULL]) {
    const config = parse(text, { PORT: '443' });
    const effective = formatEffective(config);
    assert.doesNotMatch(effective, /sk-secret|wk-one|wk-two/);
    // A hidden key and the tier, whose limits are written out, are the only differences.
    assert.deepEqual(parse(effective), {
      ...config,
      providers: config.providers.map((provider) => ({
        ...provider,
        apiKey: provider.apiKey && '***',
      })),
      consumers: config.consumers?.map((consumer) => ({ ...consumer, tier: null })) ?? null,
    });
  }
});

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
  assert.deepEqual(config.warnings, []);
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
  const files = readdirSync(directory).sort();
  assert.deepEqual(files, ['consumers.yaml', 'proxy-only.yaml', 'two-providers.yaml']);
  const [consumers, , twoProviders] = files.map((name) => loadConfig(join(directory, name), env));
  const digest = createHash('sha256').update('wk-team-a-example').digest('hex');
  assert.deepEqual(consumers?.consumers?.[0]?.keyDigests, [digest]);
  // The merged mapping keeps what it does not override.
  assert.deepEqual(twoProviders?.providers[2]?.timeouts, {
    connectMs: 2000,
    firstByteMs: 120_000,
    idleMs: 60_000,
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

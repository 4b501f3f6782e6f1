import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import test from 'node:test';
import { formatEffective } from '../../../src/config/effective.js';
import { FULL, MINIMAL, parse, providerOf } from '../../helpers/config-files.js';

const BREAKER = {
  failures: 5,
  ratePercent: 50,
  requestsMin: 20,
  windowMs: 10_000,
  ejectMs: 5000,
  ejectMsMax: 300_000,
  shareMaxPercent: 50,
};
const OVERLOAD = {
  loopLagMs: 30,
  heapPercent: 90,
  memoryPercent: 90,
  memoryLimitBytes: null,
  descriptorsPercent: 90,
  retryAfterMs: 1000,
};
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
    listen: { host: '0.0.0.0', port: 8080, tls: null, proxyProtocol: 'off' },
    admin: { host: '127.0.0.1', port: 8081, token: null },
    trustedProxies: [],
    workers: availableParallelism(),
    accept: 'auto',
    watch: false,
    stateDir: null,
    drainTimeoutMs: 60_000,
    upgradeDrainTimeoutMs: 600_000,
    metrics: { consumersMax: 1000 },
    log: { level: 'info', access: true, client: false, sample: 1 },
    traces: null,
    debugToken: null,
    retry: { attemptsMax: 3, backoffMs: 100, backoffMsMax: 5000, budgetPercent: 20 },
    providers: [
      {
        name: 'p',
        dialect: 'openai',
        baseUrl: 'http://a/v1',
        apiKey: null,
        timeouts: {
          connectMs: 5000,
          firstByteMs: 600_000,
          firstTokenMs: null,
          idleMs: 300_000,
          wholeMs: null,
        },
        engine: 'auto',
        asksUsage: true,
        tellsClient: false,
        breaker: BREAKER,
        health: null,
        connections: { max: 16_384, queue: 1024, queueTimeoutMs: 5000, keepAliveMs: 4000, warm: 0 },
        tls: null,
        proxyUrl: null,
      },
    ],
    models: [
      {
        name: '*',
        targets: [{ provider: 'p', model: null, weight: 1, priority: 0, price: null }],
        balance: 'weighted',
        hashBy: null,
        fallbacks: [],
        timeouts: null,
        keepAliveMs: null,
        ...NO_ATTEMPTS,
      },
    ],
    consumers: null,
    callers: null,
    overload: OVERLOAD,
    clients: { connectionsMax: null, connectionsPerAddressMax: null, exchangesMax: null },
    usage: null,
    warnings: [],
  });
});

test('every field', () => {
  const config = parse(FULL, { PORT: '443' });
  assert.deepEqual(config.listen, {
    host: '::',
    port: 443,
    tls: {
      cert: '/etc/weir/cert.pem',
      key: '/keys/key.pem',
      clientCa: '/etc/weir/ca.pem',
      clientAuth: 'request',
    },
    proxyProtocol: 'either',
  });
  assert.deepEqual(config.admin, { host: '::1', port: 9090, token: 'an-admin-token-of-24-ch' });
  assert.deepEqual(config.trustedProxies, ['loopback', '10.0.0.0/8', '2001:db8::1']);
  assert.equal(config.workers, 3);
  assert.equal(config.accept, 'reuseport');
  assert.equal(config.stateDir, '/etc/weir/state');
  assert.equal(config.drainTimeoutMs, 90_000);
  assert.deepEqual(config.log, { level: 'warn', access: false, client: true, sample: 0.25 });
  assert.equal(config.providers[0]?.apiKey, 'sk-secret');
  assert.deepEqual(config.providers[1], {
    name: 'b',
    dialect: 'anthropic',
    baseUrl: 'https://b.test/v1',
    apiKey: null,
    timeouts: {
      connectMs: 1000,
      firstByteMs: 2000,
      firstTokenMs: 4000,
      idleMs: 3000,
      wholeMs: 9000,
    },
    engine: 'auto',
    asksUsage: true,
    tellsClient: true,
    breaker: {
      failures: 3,
      ratePercent: 25,
      requestsMin: 7,
      windowMs: 20_000,
      ejectMs: 2000,
      ejectMsMax: 60_000,
      shareMaxPercent: 100,
    },
    health: { path: null, model: 'tiny', everyMs: 30_000, timeoutMs: 2000 },
    connections: { max: 4, queue: 5, queueTimeoutMs: 6000, keepAliveMs: 7000, warm: 3 },
    tls: { ca: '/etc/weir/ca.pem', cert: '/etc/weir/${x}.pem', key: '/keys/key.pem' },
    proxyUrl: 'http://me:p%40ss-word@proxy.test:3128',
  });
  assert.deepEqual(config.models, [
    {
      name: 'constructor',
      targets: [{ provider: 'a', model: null, weight: 1, priority: 0, price: null }],
      balance: 'weighted',
      hashBy: null,
      fallbacks: [],
      timeouts: null,
      keepAliveMs: null,
      ...NO_ATTEMPTS,
    },
    {
      name: 'wide',
      targets: [
        {
          provider: 'a',
          model: 'x',
          weight: 3,
          priority: 0,
          price: {
            input: 2.5,
            output: 10,
            cachedInput: 0,
            cacheWrite: null,
            audioInput: null,
            audioOutput: null,
          },
        },
        { provider: 'b', model: null, weight: 1, priority: 0, price: null },
      ],
      balance: 'least-busy',
      hashBy: null,
      fallbacks: ['constructor'],
      timeouts: { firstByteMs: null, firstTokenMs: 8000, idleMs: null, wholeMs: 60_000 },
      keepAliveMs: 15_000,
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
      priority: 'high',
    },
    { name: 'two', keyDigests: [digest('wk-two')], tier: null, limits: [], priority: 'low' },
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

test('breaker: off, and a health check by path', () => {
  for (const off of ['off', 'false', '"off"']) {
    const provider = providerOf(`{ dialect: openai, base_url: "http://a", breaker: ${off} }`);
    assert.equal(provider.breaker, null);
  }
  const checked = providerOf(
    '{ dialect: openai, base_url: "http://a", health: { path: /v1/models?x=1 } }',
  );
  assert.deepEqual(checked.breaker, BREAKER);
  const health = { path: '/v1/models?x=1', model: null, everyMs: 10_000, timeoutMs: 5000 };
  assert.deepEqual(checked.health, health);
});

test('what a hash goes by, and where nothing is hashed', () => {
  const targets = '[{ provider: p }, { provider: q, priority: 2 }]';
  const config = parse(`
providers:
  p: { dialect: openai, base_url: "http://a" }
  q: { dialect: openai, base_url: "http://b" }
models:
  plain: { targets: ${targets}, balance: hash }
  prompt: { targets: ${targets}, balance: hash, hash_by: prompt }
  header: { targets: ${targets}, balance: hash, hash_by: "header:X-Session-Id" }
  cheap: { targets: ${targets}, balance: lowest-cost }
`);
  assert.deepEqual(
    config.models.map(({ hashBy }) => hashBy),
    ['consumer', 'prompt', 'header:x-session-id', null],
  );
  assert.deepEqual(
    config.models[0]?.targets.map(({ priority }) => priority),
    [0, 2],
  );
  assert.deepEqual(parse(formatEffective(config)), config, '`weir check` says all of it');
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

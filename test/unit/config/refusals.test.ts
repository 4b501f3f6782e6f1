/** Every mistake in one entry, with the exact line, column and sentence that the operator sees. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { BASE, DURATION, MODELS, PROVIDERS, refusalsOf } from '../../helpers/config-refusals.js';

const WHOLE = 'expected a whole number from 1 to 1e15';

/** A line that is put behind BASE, so that it is line 5, and what is said about it. */
const FIFTH_LINE: Record<string, string[]> = {
  'wrkers: 2': ['5:1: wrkers: unknown key. Did you mean "workers"?'],
  'zzzzzzzz: 2': [
    '5:1: zzzzzzzz: unknown key; expected one of listen, admin, workers, accept, state_dir, drain_timeout, log, retry, providers, models, tiers, consumers and 1 more',
  ],
  'constructor: 2': [
    '5:1: constructor: unknown key; expected one of listen, admin, workers, accept, state_dir, drain_timeout, log, retry, providers, models, tiers, consumers and 1 more',
  ],
  '__proto__: { x: 1 }': [
    '5:1: "__proto__" cannot be used as a name',
    '5:1: __proto__: unknown key; expected one of listen, admin, workers, accept, state_dir, drain_timeout, log, retry, providers, models, tiers, consumers and 1 more',
  ],
  '"${A}": 1': [
    '5:1: a variable cannot stand in a name, only in a value',
    '5:1: ["${A}"]: unknown key; expected one of listen, admin, workers, accept, state_dir, drain_timeout, log, retry, providers, models, tiers, consumers and 1 more',
  ],
  'models: {}': [
    '5:1: the key "models" is given twice; the first is in line 3',
    '5:9: models: expected at least one entry; got a mapping',
  ],
  'workers: 0': ['5:10: workers: expected auto or a whole number from 1 to 256; got 0'],
  'workers: 2.5': ['5:10: workers: expected auto or a whole number from 1 to 256; got 2.5'],
  'workers: atuo': [
    '5:10: workers: expected auto or a whole number from 1 to 256; got "atuo". Did you mean "auto"?',
  ],
  'accept: reuse-port': [
    '5:9: accept: expected one of auto, acceptor, reuseport; got "reuse-port". Did you mean "reuseport"?',
  ],
  'accept: constructor': [
    '5:9: accept: expected one of auto, acceptor, reuseport; got "constructor"',
  ],
  'drain_timeout: 60': [`5:16: drain_timeout: ${DURATION}; got 60`],
  'drain_timeout: 25d': [`5:16: drain_timeout: ${DURATION}; got "25d"`],
  'drain_timeout: 0s': [`5:16: drain_timeout: ${DURATION}; got "0s"`],
  'drain_timeout:': [`5:1: drain_timeout: ${DURATION}; got nothing`],
  'drain_timeout: [1s]': [`5:16: drain_timeout: ${DURATION}; got a list`],
  'log: { access: maybe }': ['5:16: log.access: expected on or off; got "maybe"'],
  'log: info': ['5:6: log: expected a mapping; got a text'],
  'state_dir: 5': ['5:12: state_dir: expected the path of a directory; got 5'],
  'listen: here': [
    '5:9: listen: expected host:port with a port up to 65535 (an IPv6 host in brackets), a port, or a mapping; got "here"',
  ],
  'listen: { port: 70000, tls: { cert: a } }': [
    '5:17: listen.port: expected a whole number from 0 to 65535; got 70000',
    '5:24: listen.tls.key: missing; expected the path of a PEM file',
  ],
  'listen: { host: a b }': [
    '5:1: listen.port: missing; expected a whole number from 0 to 65535',
    '5:17: listen.host: expected a host name or an IP address; got "a b"',
  ],
  'admin: { port: 1, tls: {} }': ['5:19: admin.tls: unknown key; expected one of host, port'],
  'admin: 8080': [
    '5:8: admin: listen and admin would share a port; the admin port must be another one',
  ],
  'listen: { port: 8081 }': [
    '5:9: listen: listen and admin would share a port; the admin port must be another one',
  ],
  'consumers: {}': [
    '5:12: consumers: expected at least one entry; left out, nobody is asked for a key; got a mapping',
  ],
  'consumers:': ['5:1: consumers: expected a mapping; got nothing'],
  'consumers: { a: {} }': ['5:14: consumers.a.keys: missing; expected a list'],
  'consumers: { a: { keys: [] } }': [
    '5:25: consumers.a.keys: expected at least one entry; got a list',
  ],
  'consumers: { a: { keys: wk-secret } }': ['5:25: consumers.a.keys: expected a list; got a text'],
  'consumers: { a: wk-secret }': ['5:17: consumers.a: expected a mapping; got a text'],
  'consumers: { a: { keys: [123] } }': [
    '5:26: consumers.a.keys[0]: expected a key of visible ASCII characters, or sha256: and 64 hex digits; got a number',
  ],
  'consumers: { a: { keys: [sécret] } }': [
    '5:26: consumers.a.keys[0]: expected a key of visible ASCII characters, or sha256: and 64 hex digits; this one is not (not shown)',
  ],
  'consumers: { a: { keys: [""] } }': [
    '5:26: consumers.a.keys[0]: expected a key of visible ASCII characters, or sha256: and 64 hex digits; this one is not (not shown)',
  ],
  'consumers: { a: { keys: ["sha256:abc"] } }': [
    '5:26: consumers.a.keys[0]: expected a key of visible ASCII characters, or sha256: and 64 hex digits; this one is not (not shown)',
  ],
  'consumers: { a: { keys: [k] }, b: { keys: [k2, k] } }': [
    '5:48: consumers.b.keys[1]: this key already belongs to consumer "a"',
  ],
  'consumers: { a: { keys: [k, k] } }': ['5:29: consumers.a.keys[1]: this key is given twice'],
  // The digest of "k" as sha256sum prints it.
  'consumers: { a: { keys: [k, "sha256:8254C329A92850F6D539DD376F4816EE2764517DA5E0235514AF433164480D7A"] } }':
    ['5:29: consumers.a.keys[1]: this key is given twice'],
  'consumers: { a: { keys: [k], tier: gold } }': [
    '5:36: consumers.a.tier: expected a configured tier, and there is none; got "gold"',
  ],
  'consumers: { a: { keys: [k], tier: constructor } }': [
    '5:36: consumers.a.tier: expected a configured tier, and there is none; got "constructor"',
  ],
  'consumers: { " a": { keys: [k] } }': [
    '5:14: consumers[" a"]: expected a name of 1 to 256 characters without control characters or spaces around it',
  ],
  'callers: { by: adress, limits: [{ requests: 1, per: 1s }] }': [
    '5:16: callers.by: expected one of address, user; got "adress". Did you mean "address"?',
  ],
  'callers: { by: user }': ['5:1: callers.limits: missing; expected a list'],
  'callers: { limits: [{ concurrency: 1 }] }': [
    '5:1: callers.by: missing; expected one of address, user',
  ],
  'callers: { by: user, limits: [] }': [
    '5:30: callers.limits: expected at least one entry; got a list',
  ],
  'callers: [address]': ['5:10: callers: expected a mapping; got a list'],
  'callers: { by: address, slots: 0, limits: [{ concurrency: 1 }] }': [
    '5:32: callers.slots: expected a whole number from 1 to 1000000; got 0',
  ],
  'callers: { by: address, slot: 9, limits: [{ concurrency: 1 }] }': [
    '5:25: callers.slot: unknown key. Did you mean "slots"?',
  ],
  'callers: { by: address, limits: [{ requests: 5 }, { concurrency: 1, per: 1s }] }': [
    '5:34: callers.limits[0].per: missing; expected a duration such as 1s, 1m or 1d',
    '5:69: callers.limits[1].per: has no meaning beside concurrency',
  ],
  'callers: { by: address, limits: [{ concurrency: 1, models: [gpt-5] }] }': [
    '5:61: callers.limits[0].models[0]: expected a configured model: gpt-4o; got "gpt-5". Did you mean "gpt-4o"?',
  ],
  'callers: { by: address, limits: [{ concurrency: 1 }, { tokens: 24000000, per: 1ms }] }': [
    '5:54: callers.limits[1]: tokens 24000000 per 1 ms with a burst of 24000000 is beyond what can be counted to within 0.01 %',
  ],
  'callers: { by: address, slots: 1000000, limits: [{ concurrency: 1 }, { requests: 1, per: 1s }, { requests: 9, per: 1m }] }':
    [
      '5:32: callers.slots: expected at most 666666 slots with 3 limits of callers and 0 of consumers; got 1000000',
    ],
  'tiers: { t: { limit: [] } }': ['5:15: tiers.t.limit: unknown key. Did you mean "limits"?'],
};

/** A limit in `tiers: { t: { limits: [ … ] } }`, whose `{` is column 25. */
const LIMITS: Record<string, string[]> = {
  '{ requests: 0, per: 1s }': [`37: requests: ${WHOLE}; got 0`],
  '{ requests: -1, per: 1s }': [`37: requests: ${WHOLE}; got -1`],
  '{ requests: 0.5, per: 1s }': [`37: requests: ${WHOLE}; got 0.5`],
  '{ tokens: .nan, per: 1s }': [`35: tokens: ${WHOLE}; got NaN`],
  '{ tokens: .inf, per: 1s }': [`35: tokens: ${WHOLE}; got Infinity`],
  '{ tokens: 2e15, per: 1s }': [`35: tokens: ${WHOLE}; got 2000000000000000`],
  '{ tokens: 10k, per: 1s }': [`35: tokens: ${WHOLE}; got "10k"`],
  '{ concurrency: 1.5 }': [`40: concurrency: ${WHOLE}; got 1.5`],
  '{ cost: 0, per: 1d }': ['33: cost: expected a number above 0 and up to 1e15; got 0'],
  '{ cost: .nan, per: 1d }': ['33: cost: expected a number above 0 and up to 1e15; got NaN'],
  '{ requests: 5 }': ['25: per: missing; expected a duration such as 1s, 1m or 1d'],
  '{ requests: 5, per: 0s }': [
    '45: per: expected a duration such as 500ms, 30s, 1m, 1h or 1d, from 1ms to 366d; got "0s"',
  ],
  '{ requests: 5, per: 1s, burst: 1.5 }': [
    '56: burst: expected a whole number of requests; got 1.5',
  ],
  '{ requests: 5, per: 1s, burst: "1.5" }': [
    '56: burst: expected a whole number of requests; got "1.5"',
  ],
  '{ cost: 5, per: 1s, burst: -1 }': [
    '52: burst: expected a number above 0 and up to 1e15; got -1',
  ],
  '{ requests: 5, tokens: 5, per: 1s }': [
    '40: tokens: cannot stand beside requests; write it as a limit of its own',
  ],
  '{ concurrency: 5, per: 1s }': ['43: per: has no meaning beside concurrency'],
  '{ concurrency: 5, burst: 1 }': ['43: burst: has no meaning beside concurrency'],
  '{ per: 1s }': [
    '25: expected one of requests, tokens, input_tokens, output_tokens, cost, concurrency',
  ],
  '{ concurrency: 5, enforce: stream }': ['43: enforce: has no meaning beside concurrency'],
  '{ tokens: 5, per: 1s, enforce: strem }': [
    '56: enforce: expected one of request, stream; got "strem". Did you mean "stream"?',
  ],
  '{ tokens: 5, per: 1s, models: [n] }': [
    '56: models[0]: expected a configured model: gpt-4o; got "n"',
  ],
  '{ request: 5, per: 1s }': ['27: request: unknown key. Did you mean "requests"?'],
};

/** A provider in `providers: { openai: … }` in line 1, whose value begins in column 22. */
const PROVIDER: Record<string, string[]> = {
  '{ dialect: opnai, base_url: "http://a" }': [
    '33: dialect: expected one of openai, anthropic; got "opnai". Did you mean "openai"?',
  ],
  '{ dialect: gemini, base_url: "http://a" }': [
    '33: dialect: expected one of openai, anthropic; got "gemini"',
  ],
  '{ base_url: "http://a" }': ['14: dialect: missing; expected one of openai, anthropic'],
  '{ dialect: openai }': ['14: base_url: missing; expected an http:// or https:// URL'],
  '{ dialect: openai, base_url: a.b/v1 }': [
    '51: base_url: expected an http:// or https:// URL; got "a.b/v1"',
  ],
  '{ dialect: openai, base_url: "ftp://a" }': [
    '51: base_url: expected an http:// or https:// URL; got "ftp://a"',
  ],
  '{ dialect: openai, base_url: "http://a b" }': [
    '51: base_url: expected an http:// or https:// URL; got "http://a b"',
  ],
  '{ dialect: openai, base_url: "http://" }': [
    '51: base_url: expected an http:// or https:// URL; got "http://"',
  ],
  '{ dialect: openai, base_url: "http://a?key=secret" }': [
    '51: base_url: must not hold a query or a fragment',
  ],
  '{ dialect: openai, base_url: "http://a/#" }': [
    '51: base_url: must not hold a query or a fragment',
  ],
  '{ dialect: openai, base_url: "http://u:secret@a" }': [
    '51: base_url: must not hold a user name or password (not shown); use api_key',
  ],
  '{ dialect: openai, base_url: "http://a", api_key: "a\\nsecret" }': [
    '72: api_key: the key holds a space, a control character or a character outside ASCII (not shown)',
  ],
  '{ dialect: openai, base_url: "http://a", api_key: sécret }': [
    '72: api_key: the key holds a space, a control character or a character outside ASCII (not shown)',
  ],
  '{ dialect: openai, base_url: "http://a", api_key: 12345 }': [
    '72: api_key: expected a key as a string; got a number',
  ],
  '{ dialect: openai, base_url: "http://a", timeouts: { conect: 1s } }': [
    '75: timeouts.conect: unknown key. Did you mean "connect"?',
  ],
  '{ dialect: openai, base_url: "http://a", timeouts: { connect: 5 } }': [
    `84: timeouts.connect: ${DURATION}; got 5`,
  ],
  '{ dialect: openai, base_url: "http://a", connections: { max: 0 } }': [
    '83: connections.max: expected a whole number from 1 to 1000000; got 0',
  ],
  '{ dialect: openai, base_url: "http://a", connections: { queue: -1 } }': [
    '85: connections.queue: expected a whole number from 0 to 1000000; got -1',
  ],
  '{ dialect: openai, base_url: "http://a", breaker: on }': [
    '72: breaker: expected off or a mapping; got "on"',
  ],
  '{ dialect: openai, base_url: "http://a", breaker: [] }': [
    '72: breaker: expected off or a mapping; got a list',
  ],
  '{ dialect: openai, base_url: "http://a", breaker: { failure: 3 } }': [
    '74: breaker.failure: unknown key. Did you mean "failures"?',
  ],
  '{ dialect: openai, base_url: "http://a", breaker: { failures: 0, rate: 101, min_requests: x } }':
    [
      '84: breaker.failures: expected a whole number from 1 to 1000000; got 0',
      '93: breaker.rate: expected a whole number from 1 to 100; got 101',
      '112: breaker.min_requests: expected a whole number from 1 to 1000000; got "x"',
    ],
  '{ dialect: openai, base_url: "http://a", breaker: { window: 10, share_max: 0 } }': [
    `82: breaker.window: ${DURATION}; got 10`,
    '97: breaker.share_max: expected a whole number from 1 to 100; got 0',
  ],
  '{ dialect: openai, base_url: "http://a", breaker: { eject: 1m, eject_max: 59s } }': [
    '96: breaker.eject_max: eject_max must not be shorter than eject',
  ],
  '{ dialect: openai, base_url: "http://a", breaker: { eject: 6m } }': [
    '81: breaker.eject: eject_max must not be shorter than eject',
  ],
  '{ dialect: openai, base_url: "http://a", health: {} }': [
    '71: health: expected path (a GET) or model (a call for one token)',
  ],
  '{ dialect: openai, base_url: "http://a", health: { pth: /x } }': [
    '73: health.pth: unknown key. Did you mean "path"?',
  ],
  '{ dialect: openai, base_url: "http://a", health: { path: /x, model: y } }': [
    '83: health.model: cannot stand beside path; a check is one or the other',
  ],
  '{ dialect: openai, base_url: "http://a", health: { path: v1/models } }': [
    '79: health.path: expected a path such as /v1/models, without spaces and #; got "v1/models"',
  ],
  '{ dialect: openai, base_url: "http://a", health: { path: "/a b" } }': [
    '79: health.path: expected a path such as /v1/models, without spaces and #; got "/a b"',
  ],
  '{ dialect: openai, base_url: "http://a", health: { path: "/a\\nx:y" } }': [
    '79: health.path: expected a path such as /v1/models, without spaces and #; got "/a\\nx:y"',
  ],
  '{ dialect: openai, base_url: "http://a", health: { path: /x, every: 0s } }': [
    `90: health.every: ${DURATION}; got "0s"`,
  ],
  '{ dialect: openai, base_url: "http://a", breaker: off, health: { path: /x } }': [
    '77: health: has no meaning beside breaker: off, because nothing is ejected',
  ],
};

/** A model in `models: { m: … }` in line 3, whose value begins in column 14; `o` is another model. */
const MODEL: Record<string, string[]> = {
  '{ provider: opneai }': [
    '26: provider: expected a configured provider: openai; got "opneai". Did you mean "openai"?',
  ],
  '{ provider: constructor }': [
    '26: provider: expected a configured provider: openai; got "constructor"',
  ],
  '{ provder: openai }': ['16: provder: unknown key. Did you mean "provider"?'],
  '{}': ['14: expected provider (one target) or targets (several)'],
  'gpt-4o': ['14: expected a mapping; got a text'],
  '{ provider: openai, targets: [{ provider: openai }] }': [
    '16: provider: cannot stand beside targets; write it into a target',
  ],
  '{ model: x, targets: [{ provider: openai }] }': [
    '16: model: cannot stand beside targets; write it into a target',
  ],
  '{ provider: openai, balance: hash }': ['34: balance: has no meaning without targets'],
  '{ targets: [] }': ['25: targets: expected at least one entry; got a list'],
  '{ targets: [{ model: x }] }': [
    '26: targets[0].provider: missing; expected the name of a provider',
  ],
  '{ targets: [{ provider: x }] }': [
    '38: targets[0].provider: expected a configured provider: openai; got "x"',
  ],
  '{ targets: [{ provider: openai, weight: 0 }] }': [
    '54: targets[0].weight: expected a whole number from 1 to 65535; got 0',
  ],
  '{ targets: [{ provider: openai, priority: -1 }] }': [
    '56: targets[0].priority: expected a whole number from 0 to 65535; got -1',
  ],
  '{ targets: [{ provider: openai, priority: 0.5 }] }': [
    '56: targets[0].priority: expected a whole number from 0 to 65535; got 0.5',
  ],
  '{ targets: [{ provider: openai }], hash_by: prompt }': [
    '49: hash_by: has no meaning without balance: hash',
  ],
  '{ targets: [{ provider: openai }], balance: least-busy, hash_by: prompt }': [
    '70: hash_by: has no meaning without balance: hash',
  ],
  '{ targets: [{ provider: openai }], balance: hash, hash_by: "header:" }': [
    '73: hash_by: expected consumer, prompt or header:NAME; got "header:"',
  ],
  '{ targets: [{ provider: openai }], balance: hash, hash_by: "header:a_b" }': [
    '73: hash_by: expected consumer, prompt or header:NAME; got "header:a_b"',
  ],
  '{ targets: [{ provider: openai }], balance: hash, hash_by: promt }': [
    '73: hash_by: expected consumer, prompt or header:NAME; got "promt". Did you mean "prompt"?',
  ],
  '{ targets: [{ provider: openai }], balance: random }': [
    '58: balance: expected one of weighted, round-robin, least-busy, least-latency, lowest-cost, hash; got "random"',
  ],
  '{ provider: openai, fallbacks: [x] }': [
    '46: fallbacks[0]: expected a configured model: one of m, o; got "x". Did you mean "m" or "o"?',
  ],
  '{ provider: openai, fallbacks: [m] }': [
    '46: fallbacks[0]: fallbacks go round in a circle: m -> m',
  ],
  '{ provider: openai, timeouts: { first_tokn: 1s } }': [
    '46: timeouts.first_tokn: unknown key. Did you mean "first_token" or "first_byte"?',
  ],
  '{ provider: openai, timeouts: { connect: 1s } }': [
    '46: timeouts.connect: unknown key; expected one of first_byte, first_token, idle, whole',
  ],
  '{ provider: openai, timeouts: { whole: 0ms } }': [`53: timeouts.whole: ${DURATION}; got "0ms"`],
  '{ provider: openai, keepalive: 15 }': [`45: keepalive: ${DURATION}; got 15`],
  '{ provider: openai, keepalive: off }': [`45: keepalive: ${DURATION}; got "off"`],
  '{ provider: openai, model: "" }': ['41: model: expected the name of a model; got ""'],
};

test('mistakes in a line of the top level', () => {
  for (const [line, expected] of Object.entries(FIFTH_LINE)) {
    assert.deepEqual(
      refusalsOf(`${BASE}${line}\n`),
      expected.map((entry) => `w.yaml:${entry}`),
      line,
    );
  }
});

function at(line: number, path: string, entry: string): string {
  const [, column, rest = ''] = /^(\d+): (.*)$/.exec(entry) ?? [];
  const isField = /^[a-z_[\]0-9.]+: /.test(rest);
  return `w.yaml:${line}:${column}: ${path}${isField ? '.' : ': '}${rest}`;
}

test('mistakes in a limit', () => {
  for (const [limit, expected] of Object.entries(LIMITS)) {
    const text = `${BASE}tiers: { t: { limits: [ ${limit} ] } }\n`;
    assert.deepEqual(
      refusalsOf(text),
      expected.map((entry) => at(5, 'tiers.t.limits[0]', entry)),
      limit,
    );
  }
});

test('mistakes in a provider', () => {
  for (const [provider, expected] of Object.entries(PROVIDER)) {
    const text = `providers: { openai: ${provider} }\n${MODELS}`;
    assert.deepEqual(
      refusalsOf(text),
      expected.map((entry) => at(1, 'providers.openai', entry)),
      provider,
    );
  }
});

test('mistakes in a model', () => {
  for (const [model, expected] of Object.entries(MODEL)) {
    const text = `${PROVIDERS}models: { m: ${model}, o: { provider: openai } }\n`;
    assert.deepEqual(
      refusalsOf(text),
      expected.map((entry) => at(3, 'models.m', entry)),
      model,
    );
  }
});

test('a longer circle of fallbacks is found once, a diamond is none', () => {
  const model = (name: string, ...fallbacks: string[]) =>
    `  ${name}: { provider: openai, fallbacks: [${fallbacks.join(', ')}] }\n`;
  const circle = `${PROVIDERS}models:\n${model('s', 'a')}${model('a', 'b')}${model('b', 'c')}${model('c', 'a')}`;
  assert.deepEqual(refusalsOf(circle), [
    'w.yaml:7:38: models.c.fallbacks[0]: fallbacks go round in a circle: a -> b -> c -> a',
  ]);
  const diamond = `${PROVIDERS}models:\n${model('a', 'b', 'c')}${model('b', 'd')}${model('c', 'd')}${model('d')}`;
  assert.deepEqual(refusalsOf(diamond), ['(loaded)']);
});

test('a long chain of fallbacks is no problem', () => {
  const lines = Array.from(
    { length: 20_000 },
    (_, i) => `  m${i}: { provider: openai, fallbacks: [m${i + 1}] }\n`,
  );
  assert.deepEqual(
    refusalsOf(`${PROVIDERS}models:\n${lines.join('')}  m20000: { provider: openai }\n`),
    ['(loaded)'],
  );
});

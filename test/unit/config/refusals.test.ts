/** Every mistake in one entry, with the exact line, column and sentence that the operator sees. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { BASE, DURATION, PROVIDERS, refusalsOf } from '../../helpers/config-refusals.js';

const WHOLE = 'expected a whole number from 1 to 1e15';

/** A line that is put behind BASE, so that it is line 5, and what is said about it. */
const FIFTH_LINE: Record<string, string[]> = {
  'wrkers: 2': ['5:1: wrkers: unknown key. Did you mean "workers"?'],
  'zzzzzzzz: 2': [
    '5:1: zzzzzzzz: unknown key; expected one of listen, admin, workers, accept, watch, state_dir, drain_timeout, upgrade_drain_timeout, log, metrics, retry, providers and 10 more',
  ],
  'constructor: 2': [
    '5:1: constructor: unknown key; expected one of listen, admin, workers, accept, watch, state_dir, drain_timeout, upgrade_drain_timeout, log, metrics, retry, providers and 10 more',
  ],
  '__proto__: { x: 1 }': [
    '5:1: "__proto__" cannot be used as a name',
    '5:1: __proto__: unknown key; expected one of listen, admin, workers, accept, watch, state_dir, drain_timeout, upgrade_drain_timeout, log, metrics, retry, providers and 10 more',
  ],
  '"${A}": 1': [
    '5:1: a variable cannot stand in a name, only in a value',
    '5:1: ["${A}"]: unknown key; expected one of listen, admin, workers, accept, watch, state_dir, drain_timeout, upgrade_drain_timeout, log, metrics, retry, providers and 10 more',
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
  'log: { sample: 0 }': ['5:16: log.sample: expected a number above 0 and up to 1; got 0'],
  'log: { sample: -0.1 }': ['5:16: log.sample: expected a number above 0 and up to 1; got -0.1'],
  'log: { sample: 1.5 }': ['5:16: log.sample: expected a number above 0 and up to 1; got 1.5'],
  'log: { sample: 1% }': ['5:16: log.sample: expected a number above 0 and up to 1; got "1%"'],
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
  'admin: { port: 1, tls: {} }': [
    '5:19: admin.tls: unknown key; expected one of host, port, token',
  ],
  'admin: 0.0.0.0:8081': [
    '5:8: admin: 0.0.0.0:8081 can be reached from other machines; set admin.token, or listen on 127.0.0.1',
  ],
  'admin: { host: weir.internal, port: 81, token: "" }': [
    '5:8: admin: weir.internal:81 can be reached from other machines; set admin.token, or listen on 127.0.0.1',
  ],
  'admin: { port: 81, token: too-short }': [
    '5:27: admin.token: expected a token of 16 or more visible ASCII characters; got a text',
  ],
  'listen: { port: 1, tls: { cert: a, key: b, client_auth: request } }': [
    '5:44: listen.tls.client_auth: has no meaning without client_ca',
  ],
  'listen: { port: 1, proxy_protocol: v2 }': [
    '5:20: listen.proxy_protocol: is believed of trusted_proxies alone, and there are none',
  ],
  'listen: { port: 1, proxy_protocol: v3 }': [
    '5:20: listen.proxy_protocol: is believed of trusted_proxies alone, and there are none',
    '5:36: listen.proxy_protocol: expected one of off, v1, v2, either; got "v3". Did you mean "v1" or "v2"?',
  ],
  'trusted_proxies: [everyone]': [
    '5:19: trusted_proxies[0]: expected an address, a network such as 10.0.0.0/8, or loopback or private; got "everyone"',
  ],
  'trusted_proxies: [::/0]': [
    '5:19: trusted_proxies[0]: trusts everybody, so every caller could write its own address',
  ],
  'trusted_proxies: [10.0.0.1/8]': [
    '5:19: trusted_proxies[0]: expected an address, a network such as 10.0.0.0/8, or loopback or private, without bits behind its prefix',
  ],
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

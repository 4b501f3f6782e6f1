/** Every mistake in one entry, with the exact line, column and sentence that the operator sees. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { DURATION, MODELS, PROVIDERS, refusalsOf } from '../../helpers/config-refusals.js';

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

function at(line: number, path: string, entry: string): string {
  const [, column, rest = ''] = /^(\d+): (.*)$/.exec(entry) ?? [];
  const isField = /^[a-z_[\]0-9.]+: /.test(rest);
  return `w.yaml:${line}:${column}: ${path}${isField ? '.' : ': '}${rest}`;
}

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

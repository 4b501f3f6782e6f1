/** The configuration of traces, and of who may see timelines. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatEffective } from '../../../src/config/effective.js';
import { parseConfig } from '../../../src/config/load.js';
import { listSecrets } from '../../../src/observe/recorder.js';

const BASE =
  'providers: { p: { dialect: openai, base_url: http://a/v1 } }\nmodels: { m: { provider: p } }\n';

function parse(more: string, env: NodeJS.ProcessEnv = {}) {
  return parseConfig(BASE + more, '/etc/weir/w.yaml', env);
}

test('an endpoint alone traces everything, and shows no content', () => {
  assert.deepEqual(parse('traces: { endpoint: "http://c:4318" }').traces, {
    endpoint: 'http://c:4318/v1/traces',
    headers: [],
    sample: 1,
    followsParent: true,
    content: false,
    service: 'weir',
  });
  const { traces } = parse(
    'traces: { endpoint: "https://c/otlp/v1/traces?x=1", sample: 0.5, parent: off, content: on }',
  );
  assert.equal(traces?.endpoint, 'https://c/otlp/v1/traces?x=1');
  assert.deepEqual([traces.sample, traces.followsParent, traces.content], [0.5, false, true]);
});

test('an endpoint from the environment that is not there traces nothing', () => {
  const text = 'traces: { endpoint: "${OTEL_EXPORTER_OTLP_ENDPOINT:-}" }';
  assert.equal(parse(text).traces, null);
  const found = parse(text, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' });
  assert.equal(found.traces?.endpoint, 'http://c:4318/v1/traces');
});

test('headers and tokens are secrets: not shown, not refused with their values, kept out of the log', () => {
  const secret = 'Bearer collector-secret';
  const token = 'debug-token-0123456789';
  const config = parse(
    `traces: { endpoint: http://c, headers: { authorization: "${secret}" } }\ndebug_token: ${token}\n`,
  );
  assert.deepEqual(config.traces?.headers, [['authorization', secret]]);
  assert.equal(config.debugToken, token);
  const shown = formatEffective(config);
  assert.match(shown, /authorization: "\*\*\*"/);
  assert.ok(!shown.includes('collector-secret') && !shown.includes(token));
  const secrets = listSecrets(config);
  assert.ok(secrets.includes(secret) && secrets.includes(token));
  assert.throws(
    () => parse('traces: { endpoint: http://c, headers: { x: "collector\\nsecret" } }'),
    (error: Error) =>
      /traces.headers.x|headers/.test(error.message) && !error.message.includes('secret'),
  );
});

test('what is shown reads back as the same', () => {
  const config = parse(
    'traces: { endpoint: http://c/x, sample: 0.01, parent: off, service: "a${X:-b}" }',
  );
  const again = parseConfig(formatEffective(config), '/etc/weir/w.yaml', {});
  assert.deepEqual(again.traces, config.traces);
});

test('what can’t be is refused with its place', () => {
  for (const [text, expected] of [
    ['traces: {}', /traces/],
    ['traces: { endpoint: ftp://c }', /traces.endpoint: expected an http/],
    ['traces: { endpoint: "http://u:p@c" }', /user name or password \(not shown\)/],
    ['traces: { endpoint: http://c, sample: 2 }', /sample: expected a number from 0 to 1/],
    ['traces: { endpoint: http://c, headers: { "a b": x } }', /header/],
    ['debug_token: short', /debug_token: expected a token/],
  ] as const) {
    assert.throws(() => parse(text), expected, text);
  }
});

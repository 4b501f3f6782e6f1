/** Configuration files in tests: the smallest, one with every field, and how they are read. */
import assert from 'node:assert/strict';
import { parseConfig } from '../../src/config/load.js';
import type { WeirConfig } from '../../src/config/model.js';

export const MINIMAL =
  'providers: { p: { dialect: openai, base_url: "http://a/v1/" } }\nmodels: { "*": { provider: p } }\n';

export function parse(text: string, env: NodeJS.ProcessEnv = {}): WeirConfig {
  return parseConfig(text, '/etc/weir/w.yaml', env);
}

export function providerOf(fields: string, env: NodeJS.ProcessEnv = {}) {
  const [provider] = parse(
    `providers: { p: ${fields} }\nmodels: { m: { provider: p } }\n`,
    env,
  ).providers;
  assert.ok(provider);
  return provider;
}

export const FULL = `
listen: { host: "::", port: "\${PORT}", tls: { cert: cert.pem, key: /keys/key.pem, client_ca: ca.pem, client_auth: request }, proxy_protocol: either }
admin: { host: "::1", port: 9090, token: an-admin-token-of-24-ch }
trusted_proxies: [loopback, 10.0.0.0/8, "2001:db8::1"]
workers: 3
accept: reuseport
state_dir: ./state
drain_timeout: 90s
upgrade_drain_timeout: 20m
log: { level: warn, access: off, client: on, sample: 0.25 }
metrics: { consumers: 20 }
providers:
  a: { dialect: openai, base_url: "https://a.test/v1", api_key: sk-secret }
  b:
    dialect: anthropic
    base_url: https://b.test/
    timeouts: { connect: 1s, first_byte: 2s, first_token: 4s, idle: 3s, whole: 9s }
    connections: { max: 4, queue: 5, queue_timeout: 6s, keep_alive: 7s, warm: 3 }
    tls: { ca: ca.pem, cert: "$\${x}.pem", key: /keys/key.pem }
    proxy_url: "http://me:p%40ss-word@proxy.test:3128"
    tell_client: on
    breaker: { failures: 3, rate: 25, min_requests: 7, window: 20s, eject: 2s, eject_max: 1m, share_max: 100 }
    health: { model: tiny, every: 30s, timeout: 2s }
models:
  constructor: { provider: a }
  wide:
    targets: [{ provider: a, model: x, weight: 3, price: { input: 2.5, output: 10, cached_input: 0 } }, { provider: b }]
    balance: least-busy
    fallbacks: [constructor]
    timeouts: { first_token: 8s, whole: 1m }
    keepalive: 15s
    context_fallbacks: [constructor]
    content_fallbacks: [constructor]
    hedge: 2s
    retry: { attempts: 5, backoff: 7ms }
tiers:
  gold: { limits: [{ requests: 6, per: 1m }, { concurrency: 2 }], priority: high }
consumers:
  one: { keys: [wk-one, "sha256:${'AB'.repeat(32)}"], tier: gold, limits: [{ cost: 0.5, per: 1d, burst: 2 }, { output_tokens: 9, per: 1s, models: [wide], enforce: stream }] }
  two: { keys: [wk-two], priority: low }
callers: { by: user, limits: [{ requests: 60, per: 1m }, { concurrency: 8, models: [wide] }] }
overload: { loop_lag: 20ms, heap: 80, memory: 85, memory_limit: 1.5gb, descriptors: 95, retry_after: 2s }
clients: { connections: 500, connections_per_address: 50, exchanges: 100 }
usage: { flush_every: 2s, segment: 8mb, keep: 1d, keep_size: 100mb, users: on, deliver: { url: "https://bill.test/usage/", token: bill-secret, format: msgpack, every: 3s, batch: 50, timeout: 4s, retry_max: 1m } }
`;

export const CHECKED = `
providers:
  p: { dialect: openai, base_url: "http://a", breaker: off }
  q: { dialect: openai, base_url: "http://b", health: { path: "/$$\{x}" } }
models: { m: { provider: p } }
`;

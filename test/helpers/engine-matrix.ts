/**
 * Runs promises against both engines: what Weir promises does not depend on who speaks HTTP to the provider.
 */
import { describe } from 'node:test';
import { pause } from './changes.js';
import type { ConfigText, Gateway } from './gateway.js';
import type { MockUpstream } from './mock-upstream.js';
import { RawClient } from './raw-client.js';

export const ENGINES = ['lean', 'undici'] as const;
export type EngineName = (typeof ENGINES)[number];

export const UPSTREAM_KEY = 'sk-upstream-secret';

/** One `describe` for each engine; each starts a gateway of its own. */
export function describeEngines(
  title: string,
  timeoutMs: number,
  define: (engine: EngineName) => void,
): void {
  for (const engine of ENGINES) {
    describe(`${title}, engine ${engine}`, { timeout: timeoutMs }, () => define(engine));
  }
}

/** What a provider's entry says beside its dialect, key and engine, which have defaults here. */
export type ProviderText = Readonly<Record<string, unknown>> & { readonly base_url: string };

/** A provider and a model for each name; `mock` also takes what names no model. */
export function engineConfig(
  engine: EngineName,
  providers: Readonly<Record<string, ProviderText>>,
  overrides: ConfigText = {},
): ConfigText {
  const names = Object.keys(providers);
  return {
    providers: Object.fromEntries(
      names.map((name) => [
        name,
        { dialect: 'openai', api_key: UPSTREAM_KEY, engine, ...providers[name] },
      ]),
    ),
    models: Object.fromEntries([
      ...names.map((name) => [name, { provider: name }]),
      ['*', { provider: names[0] }],
    ]),
    ...overrides,
  };
}

/** A connection that a certain worker (0, 1, …) has; the kernel or the acceptor chooses, so it may take several tries. */
export async function connectToWorker(gateway: Gateway, worker: number): Promise<RawClient> {
  for (let tries = 0; tries < 200; tries++) {
    const client = await RawClient.connect({ port: gateway.port });
    client.send('GET /not-v1 HTTP/1.1\r\nhost: weir.test\r\n\r\n');
    const id = (await client.readResponse()).header('x-weir-id') ?? '';
    // `<start><worker>-<number>`, see src/worker/runtime.ts.
    if (Number.parseInt(id.slice(id.indexOf('-') - 2), 36) === worker) return client;
    client.destroy();
  }
  throw new Error(`no connection came to worker ${worker}`);
}

/** Asks for a metric again and again until its samples add up to `value`. */
export async function waitForMetric(
  gateway: Gateway,
  name: string,
  value: number,
  labels: Readonly<Record<string, string>> = {},
  timeoutMs = 5000,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const found = await readMetric(gateway, name, labels);
    if (found === value) return;
    if (performance.now() > endMs) throw new Error(`${name} is ${found}, should become ${value}`);
    await pause(10);
  }
}

/** The sum of a metric's samples that carry these labels. Fails where there is no such sample: it could never be wrong. */
export async function readMetric(
  gateway: Gateway,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const samples = (await gateway.metrics()).filter(
    (sample) =>
      sample.name === name &&
      Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );
  if (samples.length === 0) throw new Error(`no metric ${name} ${JSON.stringify(labels)}`);
  return samples.reduce((sum, sample) => sum + sample.value, 0);
}

/** Waits until a count stands still: backpressure has reached it. `quietMs` is how long it is watched. */
export async function waitForStandstill(read: () => number, quietMs = 200): Promise<number> {
  const endMs = performance.now() + 15_000;
  let last = read();
  let sinceMs = performance.now();
  while (performance.now() - sinceMs < quietMs || last === 0) {
    if (performance.now() > endMs) throw new Error(`never stood still, is at ${last}`);
    await pause(10);
    const now = read();
    if (now !== last) {
      last = now;
      sinceMs = performance.now();
    }
  }
  return last;
}

/** Ends everything even if the gateway does not end well; `before` may have failed, then there is less to end. */
export async function stopAll(
  gateway: Gateway | undefined,
  ...upstreams: readonly (MockUpstream | undefined)[]
): Promise<void> {
  try {
    await gateway?.stop();
  } finally {
    for (const upstream of upstreams) await upstream?.stop();
  }
}

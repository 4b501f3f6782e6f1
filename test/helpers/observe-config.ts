import type { ModelConfig, ProviderConfig, WeirConfig } from '../../src/config/model.js';

/** As much of a configuration as counters are laid out from. */
export type RoutesConfig = Pick<WeirConfig, 'models' | 'providers'>;

/** `models` maps a name to the providers of its targets. */
export function createRoutesConfig(
  models: Readonly<Record<string, readonly string[]>>,
): RoutesConfig {
  const names = new Set(Object.values(models).flat());
  return {
    providers: [...names].map(
      (name): ProviderConfig => ({
        name,
        dialect: 'openai',
        baseUrl: 'http://127.0.0.1:1',
        apiKey: null,
        timeouts: { connectMs: 1, firstByteMs: 1, firstTokenMs: null, idleMs: 1, wholeMs: null },
        engine: 'auto',
        asksUsage: true,
        tellsClient: false,
        breaker: null,
        health: null,
        connections: { max: 1, queue: 1, queueTimeoutMs: 1, keepAliveMs: 1, warm: 0 },
        tls: null,
        proxyUrl: null,
      }),
    ),
    models: Object.entries(models).map(
      ([name, providers]): ModelConfig => ({
        name,
        targets: providers.map((provider) => ({
          provider,
          model: null,
          weight: 1,
          priority: 0,
          price: null,
        })),
        balance: 'weighted',
        hashBy: null,
        fallbacks: [],
        timeouts: null,
        keepAliveMs: null,
        contextFallbacks: [],
        contentFallbacks: [],
        hedgeMs: null,
        retry: { attemptsMax: 1, backoffMs: 1 },
      }),
    ),
  };
}

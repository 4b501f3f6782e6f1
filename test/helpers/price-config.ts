import type {
  PriceConfig,
  ProviderConfig,
  TargetConfig,
  WeirConfig,
} from '../../src/config/model.js';
import type { Usage } from '../../src/core/usage.js';

export type PricedConfig = Pick<WeirConfig, 'models' | 'providers'>;

export function createProvider(name: string, baseUrl: string): ProviderConfig {
  return {
    name,
    dialect: 'openai',
    baseUrl,
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
  };
}

export function createPricedConfig(
  providers: readonly ProviderConfig[],
  models: Readonly<Record<string, readonly (Partial<TargetConfig> & { provider: string })[]>>,
): PricedConfig {
  return {
    providers,
    models: Object.entries(models).map(([name, targets]) => ({
      name,
      targets: targets.map((target) => ({
        model: null,
        weight: 1,
        priority: 0,
        price: null,
        ...target,
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
    })),
  };
}

export function createPrice(price: Partial<PriceConfig>): PriceConfig {
  return {
    input: 0,
    output: 0,
    cachedInput: null,
    cacheWrite: null,
    audioInput: null,
    audioOutput: null,
    ...price,
  };
}

export function createUsage(usage: Partial<Usage>): Usage {
  return {
    inputTokens: 0,
    outputTokens: 0,
    cachedInputTokens: 0,
    cacheWriteTokens: 0,
    reasoningTokens: 0,
    audioInputTokens: 0,
    audioOutputTokens: 0,
    ...usage,
  };
}

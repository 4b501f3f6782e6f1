/** The two engines that speak to providers. What one promises, both do. */
import { type ConfigText, proxyConfig } from './gateway.js';

export const ENGINES = ['lean', 'undici'] as const;
export type EngineName = (typeof ENGINES)[number];

/** proxyConfig() with the engine named, and whatever else a provider may say. */
export function engineConfig(
  baseUrl: string,
  engine: EngineName,
  provider: ConfigText = {},
  overrides: ConfigText = {},
): ConfigText {
  return proxyConfig(baseUrl, {
    providers: {
      mock: {
        dialect: 'openai',
        base_url: baseUrl,
        api_key: proxyConfig.upstreamKey,
        engine,
        ...provider,
      },
    },
    ...overrides,
  });
}

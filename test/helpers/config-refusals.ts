/** What the operator reads when a configuration is refused. */
import { parseConfig } from '../../src/config/load.js';
import { OperatorError } from '../../src/core/errors.js';

export const PROVIDERS = 'providers:\n  openai: { dialect: openai, base_url: "http://a/v1" }\n';
export const MODELS = 'models:\n  gpt-4o: { provider: openai }\n';
export const BASE = PROVIDERS + MODELS;

export function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof OperatorError) return error.message;
    throw error;
  }
  return '(loaded)';
}

export function refusalsOf(text: string, env: NodeJS.ProcessEnv = {}): string[] {
  return messageOf(() => parseConfig(text, 'w.yaml', env)).split('\n');
}

export const DURATION = 'expected a duration such as 500ms, 30s, 1m, 1h or 1d, from 1ms to 24d';

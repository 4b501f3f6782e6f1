/** What OpenTelemetry's semantic conventions call the operations and providers that Weir knows by path and by address. */
import type { ProviderPlace } from './messages.js';

/** By path: `gen_ai.operation.name`. */
const OPERATIONS: ReadonlyMap<string, string> = new Map([
  ['/v1/chat/completions', 'chat'],
  ['/v1/messages', 'chat'],
  ['/v1/responses', 'chat'],
  ['/v1/completions', 'text_completion'],
  ['/v1/embeddings', 'embeddings'],
]);

/** null: the conventions have no name for it. */
export function findOperation(path: string): string | null {
  return OPERATIONS.get(path) ?? null;
}

/** By the end of a host's name: `gen_ai.provider.name`. */
const PROVIDERS: readonly (readonly [host: string, name: string])[] = [
  ['api.openai.com', 'openai'],
  ['.openai.azure.com', 'azure.ai.openai'],
  ['.inference.ai.azure.com', 'azure.ai.inference'],
  ['api.anthropic.com', 'anthropic'],
  ['.amazonaws.com', 'aws.bedrock'],
  ['api.cohere.com', 'cohere'],
  ['api.deepseek.com', 'deepseek'],
  ['generativelanguage.googleapis.com', 'gcp.gemini'],
  ['aiplatform.googleapis.com', 'gcp.vertex_ai'],
  ['api.groq.com', 'groq'],
  ['api.mistral.ai', 'mistral_ai'],
  ['api.perplexity.ai', 'perplexity'],
  ['api.x.ai', 'x_ai'],
];

export interface NamedProvider {
  /** By the conventions, or where they know none, the API that it speaks. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

export function nameProvider({ baseUrl, dialect }: ProviderPlace): NamedProvider {
  const { hostname, port, protocol } = new URL(baseUrl);
  const known = PROVIDERS.find(([end]) => hostname.endsWith(end));
  return {
    name: known?.[1] ?? dialect,
    // As it stands in a URL an IPv6 address has brackets.
    address: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
  };
}

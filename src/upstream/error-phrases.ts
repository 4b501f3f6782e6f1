/**
 * How providers say in an error's body what its status does not. Gathered from their documents, from their servers'
 * sources and from errors that users reported; a new provider usually needs a line here and nothing else.
 */

import type { FailureClassName } from './failure-classes.js';

/** What a body can say that its status does not. */
export type BodyClass =
  | 'content_filter'
  | 'context_length'
  | 'no_credit'
  | 'not_found'
  | 'unauthorized';

/** Values of `code`, `type`, `status` and the like, in small letters, each of one meaning. */
export const ERROR_CODES: ReadonlyMap<string, BodyClass> = new Map<string, BodyClass>([
  // OpenAI, Groq, Cerebras, OpenRouter.
  ['context_length_exceeded', 'context_length'],
  // GitHub's two.
  ['model_max_prompt_tokens_exceeded', 'context_length'],
  ['tokens_limit_reached', 'context_length'],
  // llama.cpp, Zhipu.
  ['exceed_context_size_error', 'context_length'],
  ['model_context_window_exceeded', 'context_length'],
  // OpenAI for images, and for all else where a filter of the account's stands before it.
  ['content_policy_violation', 'content_filter'],
  ['moderation_blocked', 'content_filter'],
  // Azure, outside and inside of `innererror`; Moonshot as a type.
  ['content_filter', 'content_filter'],
  ['responsibleaipolicyviolation', 'content_filter'],
  // Alibaba.
  ['data_inspection_failed', 'content_filter'],
  ['datainspectionfailed', 'content_filter'],
  ['arrearage', 'no_credit'],
  // OpenAI, whose status for the first is 429 and for the second 400.
  ['insufficient_quota', 'no_credit'],
  ['billing_hard_limit_reached', 'no_credit'],
  ['insufficient_balance', 'no_credit'],
  // Moonshot, with 429.
  ['exceeded_current_quota_error', 'no_credit'],
  // OpenAI (403 for a project that may not use the model), Mistral, GitHub, Azure, Groq.
  ['model_not_found', 'not_found'],
  ['invalid_model', 'not_found'],
  ['model_not_supported', 'not_found'],
  ['deploymentnotfound', 'not_found'],
  ['model_decommissioned', 'not_found'],
]);

/**
 * What stands in for a status where an error comes within a stream: `type`, `code` or `status` in small letters. Those of
 * ERROR_CODES are looked for before.
 */
export const STREAM_ERROR_CODES: ReadonlyMap<string, FailureClassName> = new Map<
  string,
  FailureClassName
>([
  // Anthropic (docs.anthropic.com/en/api/errors).
  ['overloaded_error', 'overloaded'],
  ['rate_limit_error', 'throttled'],
  ['api_error', 'server_error'],
  ['timeout_error', 'request_timeout'],
  ['invalid_request_error', 'bad_request'],
  ['authentication_error', 'unauthorized'],
  ['permission_error', 'forbidden'],
  ['billing_error', 'no_credit'],
  ['not_found_error', 'not_found'],
  ['request_too_large', 'too_large'],
  // OpenAI, and who speaks as it does.
  ['rate_limit_exceeded', 'throttled'],
  ['too_many_requests', 'throttled'],
  ['server_error', 'server_error'],
  ['internal_error', 'server_error'],
  ['internal_server_error', 'server_error'],
  ['internalservererror', 'server_error'],
  ['server_overloaded', 'overloaded'],
  ['engine_overloaded', 'overloaded'],
  ['service_unavailable', 'overloaded'],
  ['service_unavailable_error', 'overloaded'],
  ['slow_down', 'overloaded'],
  ['overloaded', 'overloaded'],
  ['badrequesterror', 'bad_request'],
  // Google's canonical codes (google.rpc.Code).
  ['unavailable', 'overloaded'],
  ['resource_exhausted', 'throttled'],
  ['internal', 'server_error'],
  ['unknown', 'server_error'],
  ['deadline_exceeded', 'request_timeout'],
  ['invalid_argument', 'bad_request'],
  ['unauthenticated', 'unauthorized'],
  ['permission_denied', 'forbidden'],
  ['not_found', 'not_found'],
]);

/** Parts of messages in small letters, looked for in this order. */
export const ERROR_PHRASES: readonly (readonly [phrase: string, name: BodyClass])[] = [
  // Of errors that a gateway or SDK in between has wrapped in a message of its own.
  ['context_length_exceeded', 'context_length'],
  ['contextwindowexceedederror', 'context_length'],
  ['content_policy_violation', 'content_filter'],
  ['contentpolicyviolationerror', 'content_filter'],
  ['responsibleaipolicyviolation', 'content_filter'],
  // OpenAI, DeepSeek, vLLM, Mistral, OpenRouter: "This model's maximum context length is 8192 tokens. However, …"
  ['maximum context length', 'context_length'],
  // OpenAI's responses: "Your input exceeds the context window of this model."
  ['exceeds the context window', 'context_length'],
  // OpenAI: "Input tokens exceed the configured limit of 272000 tokens."
  ['input tokens exceed', 'context_length'],
  // Anthropic: "prompt is too long: 207791 tokens > 200000 maximum"; Fireworks: "The prompt is too long".
  ['prompt is too long', 'context_length'],
  // Anthropic: "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000"
  ['exceed context limit', 'context_length'],
  // xAI: "This model's maximum prompt length is 131072 but the request contains 136973 tokens."
  ['maximum prompt length', 'context_length'],
  // Groq, Cerebras: "Please reduce the length of the messages or completion."
  ['please reduce the length of the', 'context_length'],
  // vLLM, in different versions.
  ['the maximum model length', 'context_length'],
  ["model's context length", 'context_length'],
  ['max_tokens must be at least 1, got -', 'context_length'],
  // Google: "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576)."
  ['exceeds the maximum number of tokens', 'context_length'],
  // Bedrock, Moonshot, Alibaba, Zhipu, MiniMax.
  ['input is too long for requested model', 'context_length'],
  ['exceeded model token limit', 'context_length'],
  ['range of input length should be', 'context_length'],
  ['prompt exceeds max length', 'context_length'],
  ['context window exceeds limit', 'context_length'],
  // llama.cpp, LM Studio, Ollama, text-generation-inference.
  ['exceeds the available context size', 'context_length'],
  ['context length of only', 'context_length'],
  ['exceeds the context length', 'context_length'],
  ['exceeds context length', 'context_length'],
  ['greater than the context length', 'context_length'],
  ['prompt too long; exceeded', 'context_length'],
  ['tokens + `max_new_tokens` must be', 'context_length'],
  // OpenAI: "Your request was rejected as a result of our safety system."
  ['rejected as a result of our safety system', 'content_filter'],
  // OpenAI: "Invalid prompt: your prompt was flagged as potentially violating our usage policy."
  ['violating our usage policy', 'content_filter'],
  ['limited access to this content for safety reasons', 'content_filter'],
  // Azure: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
  ['content management policy', 'content_filter'],
  // Anthropic: "Output blocked by content filtering policy"
  ['content filtering policy', 'content_filter'],
  // DeepSeek, xAI (403), OpenRouter (403), Moonshot, Alibaba.
  ['content exists risk', 'content_filter'],
  ['content violates usage guidelines', 'content_filter'],
  ['your input was flagged', 'content_filter'],
  ['it was considered high risk', 'content_filter'],
  ['may contain inappropriate content', 'content_filter'],
  // Anthropic: "Your credit balance is too low to access the Anthropic API."
  ['credit balance is too low', 'no_credit'],
  ['billing hard limit has been reached', 'no_credit'],
  ['insufficient balance', 'no_credit'],
  // DeepSeek (400), Mistral (400).
  ['model not exist', 'not_found'],
  ['invalid model:', 'not_found'],
  // xAI and Google, both with 400: "Incorrect API key provided", "API key not valid. Please pass a valid API key."
  ['incorrect api key provided', 'unauthorized'],
  ['api key not valid', 'unauthorized'],
];

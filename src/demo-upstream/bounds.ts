/**
 * What a request may ask of the simulated LLM. It is a tool for tests and measurements, but it listens on a
 * port, so nothing that a request names may make it hold memory or wait without end.
 */

/** A million tokens is above any real model’s output; an answer of that length is streamed, not held. */
export const TOKENS_MAX = 1_000_000;

/** An hour is beyond every timeout of Weir’s defaults (600 s at most), so each of them can be provoked. */
export const WAIT_MS_MAX = 3_600_000;

/** 1 GiB shows whether memory stays bounded on the way; the padding is one small block sent over and over. */
export const ANSWER_BYTES_MAX = 1024 * 1024 * 1024;

/** What Anthropic takes at most (32 MB), and what Weir collects at most. */
export const BODY_BYTES_MAX = 32 * 1024 * 1024;

/** All bodies that are held at a time, because 2,000 clients with 32 MB each must not end the process. */
export const BODY_BYTES_TOTAL_MAX = 256 * 1024 * 1024;

/** The name stands in every event of a stream. Real names stay below 100 bytes. */
export const MODEL_NAME_BYTES_MAX = 256;

/** Streams of one model share their events; 64 models at 20 KB each are 1.3 MB. */
export const EVENT_CYCLES_MAX = 64;

/** OpenAI’s own bound on the inputs of one call. */
export const EMBEDDING_INPUTS_MAX = 2048;

/** The longest vector of a known model (Qwen3-Embedding-8B, Gemini: 3072 to 4096). */
export const EMBEDDING_DIMENSIONS_MAX = 4096;

/** As many inputs as OpenAI takes with its usual 1536 dimensions; some 36 MB of JSON, which are held. */
export const EMBEDDING_VALUES_MAX = EMBEDDING_INPUTS_MAX * 1536;

/** Handed to one client in one turn of the loop, so that a fast client does not hold up the others. */
export const TURN_BYTES_MAX = 64 * 1024;

/** An answer up to here is built whole and kept for the next request that is alike. */
export const WHOLE_ANSWER_BYTES_MAX = 64 * 1024;

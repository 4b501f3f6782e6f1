/**
 * The providers' figures of usage, put into one meaning (`core/usage.ts`).
 *
 * | dialect | input | output |
 * | --- | --- | --- |
 * | OpenAI chat, completions, embeddings; DeepSeek, Mistral, Groq | `prompt_tokens` | `completion_tokens` |
 * | xAI chat | `prompt_tokens` | `completion_tokens`, and the reasoning where `total_tokens` shows that it is left out |
 * | OpenAI and xAI responses, images, transcriptions | `input_tokens` | `output_tokens` |
 * | Anthropic | `input_tokens` and both `cache_…_input_tokens` | `output_tokens`; to both, iterations for compaction and advice |
 * | Gemini | `promptTokenCount`, `toolUsePromptTokenCount` | `candidatesTokenCount` (live: `responseTokenCount`), `thoughtsTokenCount` |
 * | Gemini interactions | `total_input_tokens`, `total_tool_use_tokens` | `total_output_tokens`, `total_thought_tokens` |
 *
 * A figure that is no whole number from 0 to 2^40 counts as not said. Of what is said more than once the last wins, each
 * figure for itself: Anthropic says the input at the beginning and the output at the end.
 */
import { USAGE_TOKENS_MAX, type Usage } from '../core/usage.js';
import type { AnswerEnd } from './answer-end.js';
import { findClosing } from './json-tail.js';
import { SCANNED, ScannedUsage, scanUsage } from './usage-scan.js';

const UNSAID = -1;
/** One object at a time is scanned. */
const scanned = new ScannedUsage();

/** Gathers the figures of one answer. */
export class UsageFigures {
  #input = UNSAID;
  #output = UNSAID;
  #total = UNSAID;
  #cached = UNSAID;
  #reasoning = UNSAID;
  #audioInput = UNSAID;
  #audioOutput = UNSAID;
  /** Anthropic's, which are not in its `input_tokens`. */
  #cacheRead = UNSAID;
  #cacheWrite = UNSAID;
  /** Anthropic's iterations that its sums leave out. */
  #besidesInput = UNSAID;
  #besidesOutput = UNSAID;
  /** Gemini's, which are not in its other figures. */
  #thoughts = UNSAID;
  #toolUse = UNSAID;

  /** Forgets what was said. */
  reset(): void {
    this.#input = UNSAID;
    this.#output = UNSAID;
    this.#total = UNSAID;
    this.#cached = UNSAID;
    this.#reasoning = UNSAID;
    this.#audioInput = UNSAID;
    this.#audioOutput = UNSAID;
    this.#cacheRead = UNSAID;
    this.#cacheWrite = UNSAID;
    this.#besidesInput = UNSAID;
    this.#besidesOutput = UNSAID;
    this.#thoughts = UNSAID;
    this.#toolUse = UNSAID;
  }

  get hasInput(): boolean {
    return this.#input >= 0;
  }

  get hasOutput(): boolean {
    return this.#output >= 0;
  }

  /**
   * The object that lies in the range. OpenAI's usual figures are read where they lie; everything else is parsed.
   */
  takeBytes(bytes: Buffer, start: number, end: number): void {
    if (scanUsage(bytes, start, end, scanned) === end) {
      this.#takeScanned();
    } else {
      this.takeText(bytes.toString('utf8', start, end));
    }
  }

  /**
   * The object that begins with a brace at `start`, wherever it ends.
   * @returns the offset after it; -1 where it does not end within `bytesMax`.
   */
  takeObject(bytes: Buffer, start: number, bytesMax: number): number {
    const scannedEnd = scanUsage(bytes, start, bytes.length, scanned);
    if (scannedEnd >= 0 && scannedEnd - start <= bytesMax) {
      this.#takeScanned();
      return scannedEnd;
    }
    const end = findClosing(bytes, start + 1, bytes.length);
    if (end < 0 || end - start > bytesMax) {
      return -1;
    }
    this.takeText(bytes.toString('utf8', start, end));
    return end;
  }

  /** The figures of an answer that ends as the one before; false where it does not. */
  takeLike(before: AnswerEnd, bytes: Buffer): boolean {
    if (!before.read(bytes, scanned)) return false;
    this.#takeScanned();
    return true;
  }

  /** To be called after takeObject(). @param from of the name before the object. */
  teach(end: AnswerEnd, bytes: Buffer, from: number): void {
    end.learn(bytes, from, scanned);
  }

  #takeScanned(): void {
    this.#input = orKnown(SCANNED.input, this.#input);
    this.#output = orKnown(SCANNED.output, this.#output);
    this.#total = orKnown(SCANNED.total, this.#total);
    this.#cached = orKnown(SCANNED.cached, this.#cached);
    this.#reasoning = orKnown(SCANNED.reasoning, this.#reasoning);
    this.#audioInput = orKnown(SCANNED.audioInput, this.#audioInput);
    this.#audioOutput = orKnown(SCANNED.audioOutput, this.#audioOutput);
  }

  /** The same for the object's text, which may be no JSON. */
  takeText(text: string): void {
    let value: unknown = null;
    try {
      value = JSON.parse(text);
    } catch {
      // What can't be read says nothing.
    }
    this.take(value);
  }

  /** Takes the figures of one `usage` or `usageMetadata` object; anything else is ignored. Never throws. */
  take(value: unknown): void {
    if (!isRecord(value)) {
      return;
    }
    this.#input = pick(
      value['prompt_tokens'],
      value['input_tokens'],
      value['promptTokenCount'],
      value['total_input_tokens'],
      this.#input,
    );
    this.#output = pick(
      value['completion_tokens'],
      value['output_tokens'],
      value['candidatesTokenCount'],
      value['responseTokenCount'],
      value['total_output_tokens'],
      this.#output,
    );
    this.#total = pick(value['total_tokens'], value['totalTokenCount'], this.#total);
    this.#cacheRead = pick(value['cache_read_input_tokens'], this.#cacheRead);
    this.#cacheWrite = pick(value['cache_creation_input_tokens'], this.#cacheWrite);
    this.#thoughts = pick(
      value['thoughtsTokenCount'],
      value['total_thought_tokens'],
      this.#thoughts,
    );
    this.#toolUse = pick(
      value['toolUsePromptTokenCount'],
      value['total_tool_use_tokens'],
      this.#toolUse,
    );
    this.#takeDetails(value);
    this.#takeIterations(value['iterations']);
  }

  #takeDetails(value: Readonly<Record<string, unknown>>): void {
    const input = firstRecord(
      value['prompt_tokens_details'],
      value['input_tokens_details'],
      value['input_token_details'],
    );
    const output = firstRecord(
      value['completion_tokens_details'],
      value['output_tokens_details'],
      value['output_token_details'],
    );
    this.#cached = pick(
      input?.['cached_tokens'],
      value['prompt_cache_hit_tokens'],
      value['cachedContentTokenCount'],
      value['total_cached_tokens'],
      this.#cached,
    );
    this.#reasoning = pick(
      output?.['reasoning_tokens'],
      output?.['thinking_tokens'],
      this.#reasoning,
    );
    this.#audioInput = pick(
      input?.['audio_tokens'],
      countAudio(value['promptTokensDetails'], 'tokenCount'),
      countAudio(value['input_tokens_by_modality'], 'tokens'),
      this.#audioInput,
    );
    this.#audioOutput = pick(
      output?.['audio_tokens'],
      countAudio(value['candidatesTokensDetails'], 'tokenCount'),
      countAudio(value['responseTokensDetails'], 'tokenCount'),
      countAudio(value['output_tokens_by_modality'], 'tokens'),
      this.#audioOutput,
    );
  }

  /**
   * Anthropic's sums hold the iterations that answer; what it spent to shorten the context or on an adviser stands in the
   * list alone, and is billed beside them.
   */
  #takeIterations(list: unknown): void {
    if (!Array.isArray(list)) {
      return;
    }
    this.#besidesInput = 0;
    this.#besidesOutput = 0;
    for (const entry of list as unknown[]) {
      if (!isRecord(entry)) continue;
      if (entry['type'] === 'compaction' || entry['type'] === 'advisor_message') {
        this.#besidesInput +=
          orZero(pick(entry['input_tokens'], UNSAID)) +
          orZero(pick(entry['cache_read_input_tokens'], UNSAID)) +
          orZero(pick(entry['cache_creation_input_tokens'], UNSAID));
        this.#besidesOutput += orZero(pick(entry['output_tokens'], UNSAID));
      }
    }
  }

  /** null where neither input nor output was said; what else was not said is 0. */
  toUsage(): Usage | null {
    if (this.#input < 0 && this.#output < 0) {
      return null;
    }
    const thoughts = orZero(this.#thoughts);
    const reasoning = orZero(this.#reasoning);
    const input = orZero(this.#input);
    const output = orZero(this.#output);
    // xAI's chat leaves the reasoning out of its completion, and only the total shows it.
    const isReasoningApart =
      reasoning > 0 && this.#total >= 0 && this.#total === input + output + reasoning;
    return {
      inputTokens:
        input +
        orZero(this.#cacheRead) +
        orZero(this.#cacheWrite) +
        orZero(this.#toolUse) +
        orZero(this.#besidesInput),
      outputTokens:
        output + thoughts + orZero(this.#besidesOutput) + (isReasoningApart ? reasoning : 0),
      cachedInputTokens: orZero(this.#cacheRead >= 0 ? this.#cacheRead : this.#cached),
      cacheWriteTokens: orZero(this.#cacheWrite),
      reasoningTokens: reasoning + thoughts,
      audioInputTokens: orZero(this.#audioInput),
      audioOutputTokens: orZero(this.#audioOutput),
    };
  }
}

/** The first that is a figure; the last of them is what is known so far. */
function pick(...candidates: readonly unknown[]): number {
  for (const candidate of candidates) {
    if (typeof candidate === 'number' && isFigure(candidate)) {
      return candidate;
    }
  }
  return UNSAID;
}

/** What was scanned, or what was known before. */
function orKnown(place: number, known: number): number {
  const figure = scanned.values[place] as number;
  return figure >= 0 ? figure : known;
}

function isFigure(value: number): boolean {
  return value >= 0 && value <= USAGE_TOKENS_MAX && Number.isInteger(value);
}

function orZero(figure: number): number {
  return Math.max(figure, 0);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function firstRecord(...candidates: readonly unknown[]): Readonly<Record<string, unknown>> | null {
  return candidates.find(isRecord) ?? null;
}

/** Gemini's lists of tokens by modality; UNSAID where there is no list. */
function countAudio(list: unknown, figureName: string): number {
  if (!Array.isArray(list)) {
    return UNSAID;
  }
  let sum = 0;
  for (const entry of list as unknown[]) {
    if (isRecord(entry) && (entry['modality'] === 'AUDIO' || entry['modality'] === 'audio')) {
      sum += orZero(pick(entry[figureName], UNSAID));
    }
  }
  return sum;
}

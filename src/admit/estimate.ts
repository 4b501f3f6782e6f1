/**
 * How many tokens a request will use, before anybody has counted them: what is reserved from the limits until the
 * provider says the truth. Learned for each model from what its providers have reported; one for each worker, fed by
 * its own settlements, of busy models by a hundred of them a second. Costs an addition or two for each request and never
 * looks at the body.
 *
 * Pictures and sound inside a body (base64) have a hundred times fewer tokens a byte than text. So the two are told
 * apart (attachments.ts) and learned apart. What is odd in spite of that is cut down to four deviations
 * (learned-mean.ts).
 */
import { BOUNDS } from '../core/bounds.js';
import type { Usage } from '../core/usage.js';
import { LearnedMean } from './learned-mean.js';

/** Filled by estimate(), so that nothing is allocated. Whole numbers. */
export interface TokenEstimate {
  inputTokens: number;
  outputTokens: number;
}

/**
 * The correction for safety: 98 of 100 prompts of a mix of prose, source text and JSON then have no more tokens than
 * estimated, and 1.3 times what they have is reserved (test/unit/admit/estimate-trace.test.ts).
 */
const PROMPT_DEVIATIONS = 2.5;
const ANSWER_DEVIATIONS = 2;
/** One token for 4 bytes give or take; with the correction 1 for 3, which few texts exceed. */
const TEXT_START = 1 / 4;
const TEXT_START_DEVIATION = 1 / 30;
const TEXT_TOKENS_A_BYTE_MAX = 4;
/** From 1 token for 500 bytes (a photo) to 1 for 30 (a page of a PDF, a small icon). */
const ATTACHED_START = 1 / 128;
const ATTACHED_START_DEVIATION = 1 / 128;
/** The mean answer of Azure's published hour of chat has 211 tokens, 163 give or take. */
const ANSWER_START = 512;
const ANSWER_START_DEVIATION = 256;
/** What a provider adds to any prompt: who speaks, where a message ends. */
const PROMPT_TOKENS_MIN = 8;
const CHOICES_MAX = 128;

class ModelStatistics {
  readonly text = new LearnedMean(TEXT_START, TEXT_START_DEVIATION);
  readonly attached = new LearnedMean(ATTACHED_START, ATTACHED_START_DEVIATION);
  readonly answer = new LearnedMean(ANSWER_START, ANSWER_START_DEVIATION);
  /** When it was last learned from; of core/clock.ts. */
  learnedMs = Number.NEGATIVE_INFINITY;
  /** Learned from again, after its first time and since it last was about to be thrown out. */
  isUsed = false;

  estimateInput(textBytes: number, attachedBytes: number): number {
    const tokens =
      PROMPT_TOKENS_MIN +
      textBytes * clampRatio(this.text.above(PROMPT_DEVIATIONS)) +
      attachedBytes * clampRatio(this.attached.above(PROMPT_DEVIATIONS));
    return toTokens(tokens);
  }
}

export class Estimator {
  readonly #models = new Map<string, ModelStatistics>();
  /** For models of which nothing is known yet; never learns. */
  readonly #unknown = new ModelStatistics();
  /** What was found last, if it is still there: an exchange looks twice, and the next one is often of the same model. */
  #lastKey = '';
  #last: ModelStatistics | null = null;

  /** Models that were learned about; at most BOUNDS.estimatedModelsMax. */
  get modelCount(): number {
    return this.#models.size;
  }

  /**
   * @param modelKey the provider's name of the model, since its tokens are meant; any text that is used for learn() too.
   * @param textBytes of the body, without `attachedBytes`.
   * @param attachedBytes as countAttachedBytes() gives; of an upload that is no JSON, the whole.
   * @param maxOutputTokens what the request allows for each answer; -1 where it says nothing, 0 where there is no text
   * to come (embeddings).
   * @param choices answers asked for (`n`).
   */
  estimate(
    modelKey: string,
    textBytes: number,
    attachedBytes: number,
    maxOutputTokens: number,
    choices: number,
    into: TokenEstimate,
  ): void {
    const model = this.#find(modelKey) ?? this.#unknown;
    into.inputTokens = model.estimateInput(toBytes(textBytes), toBytes(attachedBytes));
    const each = maxOutputTokens >= 0 ? maxOutputTokens : model.answer.above(ANSWER_DEVIATIONS);
    into.outputTokens = toTokens(toTokens(each) * toChoices(choices));
  }

  /**
   * Learns from what a provider has reported for a request that succeeded; the arguments are those of estimate(). A
   * usage without a prompt teaches nothing; nor does, of a model that is well known, what comes right after another.
   * @param nowMs of core/clock.ts.
   */
  learn(
    modelKey: string,
    textBytes: number,
    attachedBytes: number,
    choices: number,
    usage: Usage,
    nowMs: number,
  ): void {
    const known = this.#find(modelKey);
    if (known !== null && isTaughtEnough(known, nowMs)) {
      return;
    }
    const input = toTokens(usage.inputTokens);
    const text = toBytes(textBytes);
    const attached = toBytes(attachedBytes);
    if (input < 1 || text + attached < 1) {
      return;
    }
    const model = known ?? this.#addModel(modelKey);
    model.isUsed = known !== null;
    model.learnedMs = nowMs;
    learnInput(model, text, attached, input);
    model.answer.add(toTokens(usage.outputTokens) / toChoices(choices));
  }

  #find(modelKey: string): ModelStatistics | null {
    if (this.#last !== null && modelKey === this.#lastKey) {
      return this.#last;
    }
    const found = this.#models.get(modelKey) ?? null;
    if (found !== null) {
      this.#last = found;
      this.#lastKey = modelKey;
    }
    return found;
  }

  #addModel(modelKey: string): ModelStatistics {
    if (this.#models.size >= BOUNDS.estimatedModelsMax) {
      this.#dropOne();
    }
    const model = new ModelStatistics();
    this.#models.set(modelKey, model);
    return model;
  }

  /** The oldest that was not used since its last turn; after a few that were, whichever is next. */
  #dropOne(): void {
    for (let turn = 0; ; turn += 1) {
      const [key, model] = this.#models.entries().next().value as [string, ModelStatistics];
      this.#models.delete(key);
      this.#last = null;
      if (!model.isUsed || turn >= SECOND_CHANCES_MAX) {
        return;
      }
      model.isUsed = false;
      this.#models.set(key, model);
    }
  }
}

const SECOND_CHANCES_MAX = 8;

/** A hundred a second tell as much as all of several thousand, and whoever has fewer is learned from each time. */
const LEARN_EACH_MS = 10;
const LEARN_ALL_UNTIL = 96;

function isTaughtEnough({ answer, learnedMs }: ModelStatistics, nowMs: number): boolean {
  return answer.seen >= LEARN_ALL_UNTIL && nowMs - learnedMs < LEARN_EACH_MS;
}

/** One number can teach one ratio: that of the part which should have most of the tokens, less the other's share. */
function learnInput(model: ModelStatistics, text: number, attached: number, input: number): void {
  const textTokens = text * clampRatio(model.text.mean);
  const attachedTokens = attached * clampRatio(model.attached.mean);
  if (textTokens >= attachedTokens) {
    model.text.add(clampRatio((input - attachedTokens) / text));
  } else {
    model.attached.add(clampRatio((input - textTokens) / attached));
  }
}

function clampRatio(tokensAByte: number): number {
  return Math.min(Math.max(tokensAByte, 0), TEXT_TOKENS_A_BYTE_MAX);
}

/** Whole, from 0 to BOUNDS.tokensMax; what is no number is 0. */
function toTokens(tokens: number): number {
  return tokens > 0 ? Math.min(Math.ceil(tokens), BOUNDS.tokensMax) : 0;
}

function toBytes(bytes: number): number {
  return bytes > 0 ? Math.min(bytes, Number.MAX_SAFE_INTEGER) : 0;
}

function toChoices(choices: number): number {
  return choices >= 1 ? Math.min(Math.floor(choices), CHOICES_MAX) : 1;
}

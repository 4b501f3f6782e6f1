/**
 * Builds the JSON answer of a text API. Small ones are kept whole: a measurement asks for the same answer
 * a hundred thousand times, and then only the bytes are sent again.
 */
import type { Behaviour } from './behaviour.js';
import { WHOLE_ANSWER_BYTES_MAX } from './bounds.js';
import { estimatePromptTokens, type RequestFacts } from './request-facts.js';
import { padJson, SegmentedBody, segmentOf } from './segmented-body.js';
import type { AnswerFacts, TextApi } from './text-api.js';
import { measureText, TEXT_BLOCK } from './words.js';

export interface TextAnswer {
  readonly body: SegmentedBody;
  /** Where the text begins, so that a cut can be put behind a token. */
  readonly textAt: number;
}

interface KeptAnswer {
  readonly api: TextApi;
  readonly model: string;
  readonly tokens: number;
  readonly isCapped: boolean;
  readonly promptTokens: number;
  readonly bytes: Buffer;
}

let kept: KeptAnswer | null = null;

export function planAnswer(
  request: RequestFacts,
  behaviour: Behaviour,
  bodyBytes: number,
): AnswerFacts {
  const isCapped = request.tokensMax >= 0 && request.tokensMax < behaviour.tokens;
  return {
    model: request.model,
    tokens: isCapped ? request.tokensMax : behaviour.tokens,
    promptTokens: estimatePromptTokens(bodyBytes),
    isCapped,
    includesUsage: request.includesUsage,
  };
}

/** @returns null when the answer is too large to be held. */
export function getSmallAnswer(api: TextApi, facts: AnswerFacts): Buffer | null {
  if (
    kept !== null &&
    kept.api === api &&
    kept.promptTokens === facts.promptTokens &&
    kept.tokens === facts.tokens &&
    kept.isCapped === facts.isCapped &&
    kept.model === facts.model
  ) {
    return kept.bytes;
  }
  if (measureText(facts.tokens) > WHOLE_ANSWER_BYTES_MAX) {
    return null;
  }
  const bytes = buildAnswer(api, facts, -1).body.join();
  const { model, tokens, isCapped, promptTokens } = facts;
  kept = { api, model, tokens, isCapped, promptTokens, bytes };
  return bytes;
}

/** @param bytes the length that the body is padded to; one that is too small changes nothing. */
export function buildAnswer(api: TextApi, facts: AnswerFacts, bytes: number): TextAnswer {
  const frame = api.frameAnswer(facts);
  const textBytes = measureText(facts.tokens);
  const paddingBefore = `,"demo_padding":"`;
  const bare = frame.before.length + textBytes + frame.after.length + frame.tail.length;
  // The quote behind the padding counts as well.
  const paddingBytes = bytes - bare - paddingBefore.length - 1;
  const middle =
    paddingBytes < 0
      ? [segmentOf(Buffer.from(frame.after + frame.tail, 'latin1'))]
      : [
          segmentOf(Buffer.from(frame.after + paddingBefore, 'latin1')),
          padJson(paddingBytes),
          segmentOf(Buffer.from(`"${frame.tail}`, 'latin1')),
        ];
  return {
    body: new SegmentedBody([
      segmentOf(Buffer.from(frame.before, 'latin1')),
      { block: TEXT_BLOCK, length: textBytes },
      ...middle,
    ]),
    textAt: frame.before.length,
  };
}

/**
 * What tells one text API from another: the bytes around the text, as an answer and as a stream.
 * Strings are latin1 here, because the model's name is echoed byte for byte as it came.
 */
import type { DialectName } from '../core/errors.js';
import type { EventCycle } from './words.js';

export interface AnswerFacts {
  readonly model: string;
  readonly tokens: number;
  readonly promptTokens: number;
  /** The request's own bound made the answer shorter than it would have been. */
  readonly isCapped: boolean;
  readonly includesUsage: boolean;
}

/** A JSON answer: before + text + after + tail. Padding is put between the last two. */
export interface AnswerFrame {
  readonly before: string;
  readonly after: string;
  readonly tail: string;
}

export interface StreamFrame {
  /** Events that precede the first token; may be empty. */
  readonly opening: string;
  readonly cycle: EventCycle;
  /** Events that follow the last one. */
  readonly closing: string;
}

export interface TextApi {
  readonly dialect: DialectName;
  frameAnswer(facts: AnswerFacts): AnswerFrame;
  frameStream(facts: AnswerFacts): StreamFrame;
}

/**
 * One request to the simulated LLM: finds its API, reads its body, and starts the answer.
 */

import type { Downstream, DownstreamObserver } from '../accept/downstream.js';
import { type AnswerHead, createHead } from '../core/answer-head.js';
import type { DialectName } from '../core/errors.js';
import type { RequestHead } from '../exchange.js';
import { messages, writeAnthropicModel, writeAnthropicModels } from './anthropic.js';
import { type Behaviour, DEFAULT_BEHAVIOUR, readBehaviour } from './behaviour.js';
import { WHOLE_ANSWER_BYTES_MAX } from './bounds.js';
import { writeEmbeddings } from './embeddings.js';
import { RequestError, requestIdHeader, writeError } from './errors.js';
import {
  chatCompletions,
  legacyCompletions,
  writeOpenaiModel,
  writeOpenaiModels,
} from './openai.js';
import type { PaceWheel } from './pace-wheel.js';
import { collectBody } from './request-body.js';
import { estimatePromptTokens, readRequestFacts, writeModel } from './request-facts.js';
import { SegmentedBody, segmentOf } from './segmented-body.js';
import { buildAnswer, getSmallAnswer, keepPlan, planAnswer, recallPlan } from './text-answer.js';
import type { AnswerFacts, TextApi } from './text-api.js';
import { TokenStream } from './token-stream.js';
import { WholeReply } from './whole-reply.js';
import { measureText } from './words.js';

const TEXT_APIS: ReadonlyMap<string, TextApi> = new Map([
  ['/v1/chat/completions', chatCompletions],
  ['/v1/completions', legacyCompletions],
  ['/v1/messages', messages],
]);

/** POST paths whose answer has no text. */
const VALUE_APIS: ReadonlyMap<string, (body: Buffer) => Buffer> = new Map([
  ['/v1/embeddings', writeEmbeddings],
  [
    '/v1/messages/count_tokens',
    (body: Buffer) => Buffer.from(`{"input_tokens":${estimatePromptTokens(body.length)}}`),
  ],
]);

const MODELS_PATH = '/v1/models';

/** Counts over all requests of the process, so that an id names one answer. */
let requestsCount = 0;

export class DemoRequest implements DownstreamObserver {
  readonly #downstream: Downstream;
  readonly #request: RequestHead;
  readonly #wheel: PaceWheel;
  readonly #onEnd: () => void;
  readonly #onFault: (error: unknown) => void;
  readonly #id: string;
  #dialect: DialectName = 'openai';
  #behaviour: Behaviour = DEFAULT_BEHAVIOUR;
  #releaseBody: (() => void) | null = null;
  #isOver = false;

  constructor(
    downstream: Downstream,
    request: RequestHead,
    wheel: PaceWheel,
    onEnd: () => void,
    onFault: (error: unknown) => void,
  ) {
    this.#downstream = downstream;
    this.#request = request;
    this.#wheel = wheel;
    this.#onEnd = onEnd;
    this.#onFault = onFault;
    requestsCount += 1;
    this.#id = `req_demo_${requestsCount}`;
  }

  start(): void {
    this.#downstream.observe(this);
    const { method, path } = this.#request;
    const textApi = TEXT_APIS.get(path);
    this.#dialect = textApi?.dialect ?? this.#guessDialect();
    if (method === 'GET' || method === 'HEAD') {
      this.#run(() => this.#answerGet());
      return;
    }
    this.#releaseBody = collectBody(
      this.#downstream,
      (body) => this.#run(() => this.#answerPost(textApi, body)),
      (error) => this.#run(() => this.#refuse(error)),
    );
  }

  onDownstreamGone(): void {
    this.#releaseBody?.();
    this.#finish();
  }

  onDownstreamWritable(): void {}

  #finish(): void {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#onEnd();
    }
  }

  /** A throw must not reach uWebSockets.js, which would end the process. */
  #run(answer: () => void): void {
    try {
      answer();
    } catch (error) {
      if (error instanceof RequestError) {
        this.#refuse(error);
        return;
      }
      this.#onFault(error);
      this.#downstream.cut();
      this.#finish();
    }
  }

  #answerGet(): void {
    this.#behaviour = readBehaviour(this.#request);
    if (this.#answerAskedError()) {
      return;
    }
    const { path } = this.#request;
    const isOpenai = this.#dialect === 'openai';
    if (path === MODELS_PATH) {
      this.#answerTokenless(
        this.#jsonHead(),
        Buffer.from(isOpenai ? writeOpenaiModels() : writeAnthropicModels()),
      );
    } else if (path.startsWith(`${MODELS_PATH}/`)) {
      const model = writeModel(decodePath(path.slice(MODELS_PATH.length + 1)));
      const answer = isOpenai ? writeOpenaiModel(model) : writeAnthropicModel(model);
      this.#answerTokenless(this.#jsonHead(), Buffer.from(answer, 'latin1'));
    } else {
      throw this.#notFound();
    }
  }

  #answerPost(textApi: TextApi | undefined, body: Buffer): void {
    this.#behaviour = readBehaviour(this.#request);
    if (this.#answerAskedError()) {
      return;
    }
    const { method, path } = this.#request;
    const valueApi = VALUE_APIS.get(path);
    if (method !== 'POST' || (textApi === undefined && valueApi === undefined)) {
      throw this.#notFound();
    }
    if (textApi === undefined) {
      this.#answerTokenless(this.#jsonHead(), (valueApi as (body: Buffer) => Buffer)(body));
      return;
    }
    const known = recallPlan(textApi, this.#behaviour, body);
    if (known !== null) {
      this.#answerText(textApi, known);
      return;
    }
    const request = readRequestFacts(body);
    const facts = planAnswer(request, this.#behaviour, body.length);
    if (request.isStream) {
      this.#answerStream(textApi, facts);
    } else {
      // The copy pays only when the same comes again, as it does in measurements, which set nothing.
      if (this.#behaviour === DEFAULT_BEHAVIOUR) {
        keepPlan(textApi, this.#behaviour, body, facts);
      }
      this.#answerText(textApi, facts);
    }
  }

  #answerText(api: TextApi, facts: AnswerFacts): void {
    const { ttftMs, paceMs, cutAfter, stallAfter, bytes } = this.#behaviour;
    const isPlain = bytes < 0 && cutAfter < 0 && stallAfter < 0;
    const small = isPlain ? getSmallAnswer(api, facts) : null;
    // A model that answers at once has still to think of every token.
    const thinkMs = ttftMs + paceMs * Math.max(0, facts.tokens - 1);
    if (small !== null) {
      this.#answerBytes(this.#jsonHead(), small, thinkMs, -1, -1);
      return;
    }
    const answer = buildAnswer(api, facts, bytes);
    const breakAt = (after: number): number =>
      after <= 0 || after > facts.tokens ? Math.min(0, after) : answer.textAt + measureText(after);
    this.#send(
      this.#jsonHead(),
      answer.body,
      thinkMs,
      cutAfter > facts.tokens ? -1 : breakAt(cutAfter),
      stallAfter > facts.tokens ? -1 : breakAt(stallAfter),
    );
  }

  #answerStream(api: TextApi, facts: AnswerFacts): void {
    const headers = [
      'content-type',
      'text/event-stream; charset=utf-8',
      'cache-control',
      'no-cache',
      requestIdHeader(this.#dialect),
      this.#id,
    ];
    new TokenStream(
      this.#downstream,
      createHead('200 OK', headers),
      api.frameStream(facts),
      facts.tokens,
      this.#behaviour,
      this.#wheel,
      () => this.#finish(),
    ).start();
  }

  /** An answer without tokens breaks off in its middle. */
  #answerTokenless(head: AnswerHead, body: Buffer): void {
    const { ttftMs, cutAfter, stallAfter } = this.#behaviour;
    this.#answerBytes(
      head,
      body,
      ttftMs,
      cutAfter > 0 ? body.length >> 1 : cutAfter,
      stallAfter > 0 ? body.length >> 1 : stallAfter,
    );
  }

  /** @returns whether `status` asked for an error. */
  #answerAskedError(): boolean {
    if (this.#behaviour.status < 0) {
      return false;
    }
    const { head, body } = writeError(this.#dialect, this.#behaviour.status, null, this.#id);
    this.#answerTokenless(head, body);
    return true;
  }

  /** The usual case is one call: no waiting, no cut, one piece. */
  #answerBytes(
    head: AnswerHead,
    body: Buffer,
    delayMs: number,
    cutAt: number,
    stallAt: number,
  ): void {
    const isPlain = delayMs === 0 && this.#behaviour.headMs <= 0 && cutAt < 0 && stallAt < 0;
    if (isPlain && body.length <= WHOLE_ANSWER_BYTES_MAX && this.#request.method !== 'HEAD') {
      this.#downstream.answer(head, body, false);
      this.#finish();
      return;
    }
    this.#send(head, new SegmentedBody([segmentOf(body)]), delayMs, cutAt, stallAt);
  }

  #send(
    head: AnswerHead,
    body: SegmentedBody,
    delayMs: number,
    cutAt: number,
    stallAt: number,
  ): void {
    const plan = {
      head,
      body,
      isBodyless: this.#request.method === 'HEAD',
      delayMs: Math.max(delayMs, this.#behaviour.headMs),
      cutAt,
      stallAt,
    };
    new WholeReply(this.#downstream, plan, this.#wheel, () => this.#finish()).start();
  }

  /** The simulated LLM’s own refusal: at once, whatever else was asked for. */
  #refuse(error: RequestError): void {
    const { head, body } = writeError(this.#dialect, error.status, error, this.#id);
    if (this.#request.method === 'HEAD') {
      this.#downstream.answerWithoutBody(head, body.length);
    } else {
      this.#downstream.answer(head, body, error.closes);
    }
    this.#finish();
  }

  #jsonHead(): AnswerHead {
    return createHead('200 OK', [
      'content-type',
      'application/json',
      requestIdHeader(this.#dialect),
      this.#id,
    ]);
  }

  /** Both APIs have /v1/models; only Anthropic’s clients name the version they speak. */
  #guessDialect(): DialectName {
    const { path, headers } = this.#request;
    for (let i = 0; i < headers.length; i += 2) {
      if (headers[i] === 'anthropic-version') {
        return 'anthropic';
      }
    }
    return path.startsWith('/v1/messages') ? 'anthropic' : 'openai';
  }

  #notFound(): RequestError {
    const { method, path } = this.#request;
    return new RequestError(404, `Invalid URL (${method} ${path})`);
  }
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new RequestError(400, 'the model’s name is not well-formed percent-encoding', 'model');
  }
}

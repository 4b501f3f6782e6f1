/**
 * Makes the spans of an exchange: a server span for the whole, a client span for each call to a provider, with the
 * attributes of OpenTelemetry's conventions for generative AI. What no convention names begins with `weir.`.
 */
import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOnSampler,
  type ReadableSpan,
  type SpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import {
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_SERVICE_NAME,
  ATTR_SERVICE_VERSION,
  ATTR_URL_PATH,
} from '@opentelemetry/semantic-conventions';
import {
  ATTR_GEN_AI_OPERATION_NAME,
  ATTR_GEN_AI_PROVIDER_NAME,
  ATTR_GEN_AI_REQUEST_MAX_TOKENS,
  ATTR_GEN_AI_REQUEST_MODEL,
  ATTR_GEN_AI_REQUEST_STREAM,
  ATTR_GEN_AI_RESPONSE_ID,
  ATTR_GEN_AI_RESPONSE_MODEL,
  ATTR_GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK,
  ATTR_GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS,
  ATTR_GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
  ATTR_GEN_AI_USAGE_INPUT_TOKENS,
  ATTR_GEN_AI_USAGE_OUTPUT_TOKENS,
  ATTR_GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
  ATTR_SERVICE_INSTANCE_ID,
} from '@opentelemetry/semantic-conventions/incubating';
import type { AttemptTrace, TraceRecord } from '../observe/trace-record.js';
import { findOperation, type NamedProvider, nameProvider } from './gen-ai.js';
import { readMessages } from './message-content.js';
import type { ExportSettings } from './messages.js';

/** From here on a server's answer is a failure of its own (conventions for HTTP). */
const SERVER_ERRORS_FROM = 500;
const CLIENT_ERRORS_FROM = 400;
/** Attempts that ended because the exchange did, or because another was quicker. */
const BLAMELESS = new Set(['ok', 'aborted', 'outrun']);

export class SpanBuilder {
  readonly #tracer: Tracer;
  readonly #providers: ReadonlyMap<string, NamedProvider>;
  /** Of the span that is begun next: ids were given when the exchange ran, because the provider was told them. */
  #traceId = '';
  #spanId = '';

  constructor(settings: ExportSettings, onSpan: (span: ReadableSpan) => void) {
    const { traces, version, instanceId } = settings;
    this.#providers = new Map(settings.providers.map((place) => [place.name, nameProvider(place)]));
    const provider = new TracerProvider({
      resource: resourceFromAttributes({
        [ATTR_SERVICE_NAME]: traces.service,
        [ATTR_SERVICE_VERSION]: version,
        [ATTR_SERVICE_INSTANCE_ID]: instanceId,
      }),
      sampler: new AlwaysOnSampler(),
      idGenerator: {
        generateTraceId: () => this.#traceId,
        generateSpanId: () => this.#spanId,
      },
      spanProcessors: [handOver(onSpan)],
    });
    this.#tracer = provider.getTracer('weir', version);
  }

  build(record: TraceRecord): void {
    const { traceId, parentId } = record;
    this.#traceId = traceId;
    const parent = parentId === '' ? ROOT_CONTEXT : createContext(traceId, parentId);
    const operation = findOperation(record.path);
    this.#buildExchange(record, operation, parent);
    const own = createContext(traceId, record.spanId);
    record.attempts.forEach((attempt, index) => {
      this.#buildAttempt(record, attempt, index, operation, own);
    });
  }

  #buildExchange(record: TraceRecord, operation: string | null, parent: Context): void {
    const { status, errorCode, method, path } = record;
    this.#spanId = record.spanId;
    const span = this.#tracer.startSpan(
      // A path that is made up by a caller must not become a name.
      operation === null ? method : `${method} ${path}`,
      {
        kind: SpanKind.SERVER,
        startTime: record.startedWallMs,
        attributes: drop({
          [ATTR_HTTP_REQUEST_METHOD]: method,
          [ATTR_URL_PATH]: path,
          [ATTR_HTTP_RESPONSE_STATUS_CODE]: status,
          ...describeGenAi(record, operation),
          'weir.exchange.id': record.id,
          'weir.consumer': record.consumer,
          'weir.ended.by': record.endedBy,
          'weir.ended.in': record.endedIn,
          'weir.ended.reason': record.reason,
          'weir.attempts': record.attempts.length,
          'http.request.body.size': record.requestBytes,
          'http.response.body.size': record.responseBytes,
        }),
      },
      parent,
    );
    addEvent(span, record, 'weir.request.ready', record.ready);
    addEvent(span, record, 'weir.answer.first_byte', record.firstByte);
    addEvent(span, record, 'weir.answer.first_token', record.firstToken);
    const errorType =
      errorCode ?? (status !== null && status >= SERVER_ERRORS_FROM ? String(status) : null);
    const isFailed =
      errorType !== null &&
      (status === null ||
        status >= SERVER_ERRORS_FROM ||
        (record.firstByte >= 0 && status < CLIENT_ERRORS_FROM));
    if (errorType !== null) span.setAttribute(ATTR_ERROR_TYPE, errorType);
    if (isFailed) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(record.startedWallMs + record.ended);
  }

  #buildAttempt(
    record: TraceRecord,
    attempt: AttemptTrace,
    index: number,
    operation: string | null,
    parent: Context,
  ): void {
    const { provider, model, status, outcome } = attempt;
    const place = this.#providers.get(provider);
    const isLast = index === record.attempts.length - 1;
    const answers = outcome === 'ok' || (isLast && status > 0);
    const name = operation ?? record.method;
    this.#spanId = attempt.spanId;
    const span = this.#tracer.startSpan(
      model === null ? name : `${name} ${model}`,
      {
        kind: SpanKind.CLIENT,
        startTime: record.startedWallMs + attempt.started,
        attributes: drop({
          ...(answers
            ? describeGenAi(record, operation)
            : { [ATTR_GEN_AI_OPERATION_NAME]: operation }),
          ...(answers ? describeAnswer(record) : {}),
          [ATTR_GEN_AI_PROVIDER_NAME]: place?.name,
          [ATTR_GEN_AI_REQUEST_MODEL]: model,
          [ATTR_SERVER_ADDRESS]: place?.address,
          [ATTR_SERVER_PORT]: place?.port,
          [ATTR_HTTP_REQUEST_METHOD]: record.method,
          [ATTR_HTTP_RESPONSE_STATUS_CODE]: status === 0 ? null : status,
          'http.request.resend_count': index === 0 ? null : index,
          'weir.provider': provider,
          'weir.attempt.outcome': outcome,
          [ATTR_GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK]:
            answers && record.isStream && record.firstByte >= 0
              ? Math.max(0, record.firstByte - attempt.started) / 1000
              : null,
        }),
      },
      parent,
    );
    addEvent(span, record, 'weir.request.sent', attempt.sent);
    addEvent(span, record, 'weir.response.head', attempt.head);
    if (answers) addEvent(span, record, 'weir.answer.first_token', record.firstToken);
    if (!BLAMELESS.has(outcome)) {
      span.setAttribute(
        ATTR_ERROR_TYPE,
        outcome === 'other' && status >= CLIENT_ERRORS_FROM ? String(status) : outcome,
      );
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end(record.startedWallMs + attempt.ended);
  }
}

function handOver(onSpan: (span: ReadableSpan) => void): SpanProcessor {
  return {
    onStart: () => {},
    onEnd: onSpan,
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  };
}

function createContext(traceId: string, spanId: string): Context {
  const traceFlags = TraceFlags.SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

type Maybe = Readonly<Record<string, string | number | boolean | string[] | null | undefined>>;

/** What the exchange is about, on both kinds of spans. */
function describeGenAi(record: TraceRecord, operation: string | null): Maybe {
  const { usage, outputTokensMax } = record;
  return {
    [ATTR_GEN_AI_OPERATION_NAME]: operation,
    [ATTR_GEN_AI_REQUEST_MODEL]: record.model,
    [ATTR_GEN_AI_REQUEST_STREAM]: record.isStream ? true : null,
    [ATTR_GEN_AI_REQUEST_MAX_TOKENS]: outputTokensMax < 0 ? null : outputTokensMax,
    [ATTR_GEN_AI_RESPONSE_MODEL]: record.responseModel,
    [ATTR_GEN_AI_USAGE_INPUT_TOKENS]: usage?.inputTokens,
    [ATTR_GEN_AI_USAGE_OUTPUT_TOKENS]: usage?.outputTokens,
    [ATTR_GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS]: positive(usage?.cachedInputTokens),
    [ATTR_GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS]: positive(usage?.cacheWriteTokens),
    [ATTR_GEN_AI_USAGE_REASONING_OUTPUT_TOKENS]: positive(usage?.reasoningTokens),
  };
}

/** What the provider answered: on the span of the attempt that did. */
function describeAnswer(record: TraceRecord): Maybe {
  return { [ATTR_GEN_AI_RESPONSE_ID]: record.responseId, ...readMessages(record) };
}

function positive(count: number | undefined): number | null {
  return count === undefined || count === 0 ? null : count;
}

function drop(attributes: Maybe): Attributes {
  return Object.fromEntries(
    Object.entries(attributes).filter(([, value]) => value !== null && value !== undefined),
  ) as Attributes;
}

function addEvent(span: Span, record: TraceRecord, name: string, atMs: number): void {
  if (atMs >= 0) span.addEvent(name, undefined, record.startedWallMs + atMs);
}

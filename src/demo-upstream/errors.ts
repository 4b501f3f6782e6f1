/**
 * Errors as the real APIs shape them, so that SDKs raise the same classes and retry in the same cases.
 */
import { STATUS_CODES } from 'node:http';
import { type AnswerHead, createHead } from '../core/answer-head.js';
import type { DialectName } from '../core/errors.js';

/** A request that the simulated LLM refuses, or was asked to refuse. */
export class RequestError extends Error {
  readonly status: number;
  readonly param: string | null;
  /** The answer also closes the connection, because what is left of the request is not read. */
  readonly closes: boolean;

  constructor(status: number, message: string, param: string | null = null, closes = false) {
    super(message);
    this.name = 'RequestError';
    this.status = status;
    this.param = param;
    this.closes = closes;
  }
}

interface ErrorKind {
  readonly type: string;
  readonly code: string | null;
  readonly message: string;
}

const INVALID = 'invalid_request_error';

/** platform.openai.com/docs/guides/error-codes, and what the API answers in fact. */
const OPENAI_KINDS: ReadonlyMap<number, ErrorKind> = new Map([
  [
    401,
    {
      type: INVALID,
      code: 'invalid_api_key',
      message: 'Incorrect API key provided: demo. You can find your API key in your settings.',
    },
  ],
  [
    403,
    {
      type: INVALID,
      code: 'unsupported_country_region_territory',
      message: 'Country, region, or territory not supported.',
    },
  ],
  [404, { type: INVALID, code: 'model_not_found', message: 'The model does not exist.' }],
  [
    429,
    {
      type: 'requests',
      code: 'rate_limit_exceeded',
      message: 'Rate limit reached for requests. Please try again in 1s.',
    },
  ],
  [
    503,
    {
      type: 'server_error',
      code: null,
      message: 'The server is currently overloaded with other requests. Please try again later.',
    },
  ],
]);

/** docs.anthropic.com/en/api/errors. */
const ANTHROPIC_KINDS: ReadonlyMap<number, ErrorKind> = new Map([
  [401, { type: 'authentication_error', code: null, message: 'invalid x-api-key' }],
  [402, { type: 'billing_error', code: null, message: 'Your credit balance is too low.' }],
  [
    403,
    {
      type: 'permission_error',
      code: null,
      message: 'Your API key does not have permission to use the specified resource.',
    },
  ],
  [404, { type: 'not_found_error', code: null, message: 'Not found' }],
  [
    413,
    {
      type: 'request_too_large',
      code: null,
      message: 'Request exceeds the maximum allowed number of bytes.',
    },
  ],
  [
    429,
    {
      type: 'rate_limit_error',
      code: null,
      message: 'This request would exceed your account’s rate limit. Please try again later.',
    },
  ],
  [504, { type: 'timeout_error', code: null, message: 'Request timed out.' }],
  [529, { type: 'overloaded_error', code: null, message: 'Overloaded' }],
]);

const OPENAI_DEFAULT_4XX: ErrorKind = { type: INVALID, code: null, message: 'Invalid request.' };
const OPENAI_DEFAULT_5XX: ErrorKind = {
  type: 'server_error',
  code: null,
  message: 'The server had an error while processing your request. Sorry about that!',
};
const ANTHROPIC_DEFAULT_5XX: ErrorKind = {
  type: 'api_error',
  code: null,
  message: 'Internal server error',
};

/** Statuses after which the real APIs say when to come again. */
const WITH_RETRY_AFTER: ReadonlySet<number> = new Set([429, 503, 529]);

export interface ErrorAnswer {
  readonly head: AnswerHead;
  readonly body: Buffer;
}

/** @param error null stands for an error that was asked for with `status`: it has the real API’s own words. */
export function writeError(
  dialect: DialectName,
  status: number,
  error: RequestError | null,
  requestId: string,
): ErrorAnswer {
  const headers = ['content-type', 'application/json', requestIdHeader(dialect), requestId];
  if (WITH_RETRY_AFTER.has(status)) {
    headers.push('retry-after', '1');
  }
  const kind = kindOf(dialect, status);
  const message = error?.message ?? kind.message;
  const body =
    dialect === 'openai'
      ? {
          error: {
            message,
            type: kind.type,
            param: error?.param ?? null,
            code: error === null ? kind.code : null,
          },
        }
      : { type: 'error', error: { type: kind.type, message }, request_id: requestId };
  return {
    head: createHead(writeStatus(status), headers),
    body: Buffer.from(JSON.stringify(body)),
  };
}

export function requestIdHeader(dialect: DialectName): string {
  return dialect === 'openai' ? 'x-request-id' : 'request-id';
}

function kindOf(dialect: DialectName, status: number): ErrorKind {
  const kinds = dialect === 'openai' ? OPENAI_KINDS : ANTHROPIC_KINDS;
  const kind = kinds.get(status);
  if (kind !== undefined) {
    return kind;
  }
  if (status < 500) {
    return OPENAI_DEFAULT_4XX;
  }
  return dialect === 'openai' ? OPENAI_DEFAULT_5XX : ANTHROPIC_DEFAULT_5XX;
}

function writeStatus(status: number): string {
  // 529 is Anthropic’s own; a status without a name would leave the line without its reason.
  return `${status} ${STATUS_CODES[status] ?? (status === 529 ? 'Overloaded' : 'Error')}`;
}

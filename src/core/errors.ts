/**
 * Every error that a client can see, in one table. Stages throw a GatewayError that names a row;
 * the dialect of the caller gives it its shape. `docs/errors.md` is printed from this table.
 */

/** The wire format in which the caller speaks, and in which errors are answered. */
export type DialectName = 'openai' | 'anthropic';

export interface ErrorRow {
  /** HTTP status of the answer. */
  readonly status: number;
  /** OpenAI's `error.type` (platform.openai.com/docs/guides/error-codes). */
  readonly openaiType: string;
  /** Anthropic's `error.type` (docs.anthropic.com/en/api/errors). */
  readonly anthropicType: string;
  /** Whether the same call may succeed when it is sent again. */
  readonly isRetryable: boolean;
  /** Whether the provider may have charged for the exchange. */
  readonly isBilled: boolean;
  /** Whether the connection to the client is closed after the answer, because its framing is not to be trusted. */
  readonly closes: boolean;
  /** What it means, for docs/errors.md. */
  readonly meaning: string;
}

function row(
  status: number,
  openaiType: string,
  anthropicType: string,
  meaning: string,
  flags: { isRetryable?: boolean; isBilled?: boolean; closes?: boolean } = {},
): ErrorRow {
  return {
    status,
    openaiType,
    anthropicType,
    meaning,
    isRetryable: flags.isRetryable ?? false,
    isBilled: flags.isBilled ?? false,
    closes: flags.closes ?? false,
  };
}

const BAD = 'invalid_request_error';

// biome-ignore format: a table reads best with one row a line.
export const ERRORS = {
  bad_framing: row(400, BAD, BAD, 'The request’s HTTP framing is ambiguous or malformed; the connection is closed.', { closes: true }),
  bad_target: row(400, BAD, BAD, 'The request’s path holds bytes or dot segments that Weir does not forward.'),
  bad_body: row(400, BAD, BAD, 'The body can’t be read as far as Weir must read it, for example it names `model` twice.'),
  bad_timeout: row(400, BAD, BAD, 'The header `x-weir-timeout` is no duration, such as `30s`, `1500ms` or `20` (seconds).'),
  missing_key: row(401, BAD, 'authentication_error', 'No key was sent, and this gateway asks for one.'),
  invalid_key: row(401, BAD, 'authentication_error', 'The key that was sent belongs to no consumer.'),
  client_certificate_required: row(403, BAD, 'permission_error', 'The connection showed no client certificate, and `listen.tls.client_ca` asks for one; the connection is closed.', { closes: true }),
  model_not_found: row(404, BAD, 'not_found_error', 'No configured model has the name that was asked for.'),
  route_not_found: row(404, BAD, 'not_found_error', 'The path is not one that Weir serves.'),
  method_not_allowed: row(405, BAD, BAD, 'The HTTP method is not one that Weir forwards.'),
  body_too_large: row(413, BAD, 'request_too_large', 'The body is larger than Weir may hold for this request; the connection is closed.', { closes: true }),
  rate_limit_exceeded: row(429, 'rate_limit_error', 'rate_limit_error', 'A limit of the consumer is reached; `retry-after-ms` says when the same request will pass.', { isRetryable: true }),
  limit_reached: row(429, 'rate_limit_error', 'rate_limit_error', 'A limit with `enforce: stream` was used up while the stream ran; the stream is ended.', { isRetryable: true, isBilled: true }),
  headers_too_large: row(431, BAD, BAD, 'The request’s headers are too many or too large; the connection is closed.', { closes: true }),
  gateway_error: row(500, 'server_error', 'api_error', 'A defect in Weir; the log line of this exchange tells more.', { isRetryable: true }),
  upstream_refused: row(502, 'server_error', 'api_error', 'The provider could not be connected to.', { isRetryable: true }),
  upstream_reset: row(502, 'server_error', 'api_error', 'The provider closed the connection before it answered.', { isRetryable: true, isBilled: true }),
  upstream_malformed: row(502, 'server_error', 'api_error', 'The provider’s answer is not valid HTTP.', { isRetryable: true, isBilled: true }),
  queue_full: row(503, 'server_error', 'overloaded_error', 'All connections to the provider are busy and the queue for them is full.', { isRetryable: true }),
  queue_timeout: row(503, 'server_error', 'overloaded_error', 'No connection to the provider became free in time.', { isRetryable: true }),
  overloaded: row(503, 'server_error', 'overloaded_error', 'The gateway has more to do than it can, too little memory or too few descriptors left ([overload.md](overload.md)), holds as many bytes of request bodies as it may, or tells as many callers apart (`callers.slots`).', { isRetryable: true }),
  draining: row(503, 'server_error', 'overloaded_error', 'The gateway is shutting down.', { isRetryable: true, closes: true }),
  connect_timeout: row(504, 'server_error', 'timeout_error', 'Connecting to the provider took longer than `timeouts.connect`.', { isRetryable: true }),
  first_byte_timeout: row(504, 'server_error', 'timeout_error', 'The provider sent no answer within `timeouts.first_byte`.', { isRetryable: true, isBilled: true }),
  first_token_timeout: row(504, 'server_error', 'timeout_error', 'The provider’s answer held no content within `timeouts.first_token`; a stream that has begun is cut.', { isRetryable: true, isBilled: true }),
  idle_timeout: row(504, 'server_error', 'timeout_error', 'The provider’s stream was silent for longer than `timeouts.idle`; the stream is cut.', { isRetryable: true, isBilled: true }),
  exchange_timeout: row(504, 'server_error', 'timeout_error', 'The exchange took longer than `timeouts.whole` or `x-weir-timeout` allows; an answer that has begun is cut.', { isRetryable: true, isBilled: true }),
  upstream_cut: row(502, 'server_error', 'api_error', 'The provider’s answer broke off in the middle; the stream is cut.', { isRetryable: true, isBilled: true }),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** An error with a row in the table. `message` is shown to the caller: never put a secret into it. */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  /** The request's field that is at fault, for OpenAI's `error.param`. */
  readonly param: string | null;
  /** Sent as `retry-after` and `retry-after-ms`; null leaves both out. */
  readonly retryAfterMs: number | null;
  /** What the system or TLS called it, such as `ENOTFOUND`; null where it is not known. */
  readonly systemCode: string | null;
  /** Made once and answered many times, so that what its answers have in common is worth keeping. */
  readonly isShared: boolean;

  constructor(
    code: ErrorCode,
    message: string,
    detail: {
      param?: string;
      retryAfterMs?: number;
      systemCode?: string;
      isShared?: boolean;
    } = {},
  ) {
    super(message);
    this.name = 'GatewayError';
    this.code = code;
    this.param = detail.param ?? null;
    this.retryAfterMs = detail.retryAfterMs ?? null;
    this.systemCode = detail.systemCode ?? null;
    this.isShared = detail.isShared ?? false;
  }

  get row(): ErrorRow {
    return ERRORS[this.code];
  }
}

/** A mistake of the operator's (configuration, port, certificate): one line, exit code 2, no stack. */
export class OperatorError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'OperatorError';
  }
}

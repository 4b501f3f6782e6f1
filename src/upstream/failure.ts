/**
 * Says what went wrong with a provider, in the codes of core/errors.ts. Messages name the provider and the
 * system's error code, never an address with credentials in it or a header.
 */
import { type ErrorCode, GatewayError } from '../core/errors.js';
import { MalformedResponse } from './response-head.js';

/** How far a call had come; decides which code an error means. */
export type FailurePoint = 'connecting' | 'before-head' | 'after-head';

const MALFORMED_CODES: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RES_EXCEEDED_MAX_SIZE',
]);

/** What undici finds wrong with the request itself, before a byte is sent (D-11). */
const REQUEST_CODES: ReadonlySet<string> = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
]);

export function classifyFailure(
  provider: string,
  error: unknown,
  point: FailurePoint,
): GatewayError {
  if (error instanceof GatewayError) {
    return error;
  }
  const code = readCode(error);
  const suffix = code === '' ? '' : ` (${code})`;
  if (point === 'connecting') {
    return failure(
      'upstream_refused',
      `Provider "${provider}" can’t be connected to${suffix}.`,
      code,
    );
  }
  if (point === 'after-head') {
    return failure('upstream_cut', `Provider "${provider}" broke off its answer${suffix}.`, code);
  }
  if (REQUEST_CODES.has(code)) {
    return failure(
      'bad_framing',
      `The request can’t be passed on to provider "${provider}"${suffix}.`,
      code,
    );
  }
  if (isMalformed(error, code)) {
    return failure(
      'upstream_malformed',
      `Provider "${provider}" sent an answer that is not valid HTTP${suffix}.`,
      code,
    );
  }
  return failure(
    'upstream_reset',
    `Provider "${provider}" closed the connection before it answered${suffix}.`,
    code,
  );
}

/** The system's code stays with the error, because failure-classes.ts tells DNS and TLS apart by it. */
function failure(code: ErrorCode, message: string, systemCode: string): GatewayError {
  return new GatewayError(code, message, systemCode === '' ? {} : { systemCode });
}

function readCode(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error) {
    return typeof error.code === 'string' ? error.code : '';
  }
  return '';
}

function isMalformed(error: unknown, code: string): boolean {
  if (error instanceof MalformedResponse || MALFORMED_CODES.has(code)) {
    return true;
  }
  // undici's parser errors do not always have a code; answers out of turn and unasked-for upgrades are plain socket
  // errors there.
  return (
    error instanceof Error &&
    (error.name === 'HTTPParserError' ||
      error.message === 'bad response' ||
      error.message === 'bad upgrade')
  );
}

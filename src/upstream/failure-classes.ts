/**
 * Every way in which a target can fail, in one table, and what follows from each: whether another attempt is safe and
 * where, whether the target is to blame, and which of a model's fallbacks apply. `docs/failure-classes.md` is printed
 * from it. Whatever the row says, nothing is tried again once the caller has been sent a byte of an answer.
 */
import type { GatewayError } from '../core/errors.js';

export interface FailureRow {
  /**
   * Among the targets of the same model. `same`: another attempt is safe anywhere, the same target included. `other`:
   * only another target can do better. `never`: no target would.
   */
  readonly again: 'same' | 'other' | 'never';
  /** What the target's record takes: a failure, a note that it is throttled, or nothing. */
  readonly harms: 'health' | 'throttle' | 'nothing';
  /** Whether the provider may have charged for the attempt. */
  readonly isBilled: boolean;
  /** Which chain of other models applies when this one's targets are used up: its `fallbacks` or a special one. */
  readonly fallback: 'any' | 'context' | 'content' | 'none';
  /** Whether the answer's body must be read, because it may say that the class is another one (error-body.ts). */
  readonly needsBody: boolean;
  /** What it is and why it is treated so, for docs/failure-classes.md. */
  readonly meaning: string;
}

function row(
  again: FailureRow['again'],
  harms: FailureRow['harms'],
  fallback: FailureRow['fallback'],
  meaning: string,
  flags: { isBilled?: boolean; needsBody?: boolean } = {},
): FailureRow {
  return {
    again,
    harms,
    isBilled: flags.isBilled ?? false,
    fallback,
    needsBody: flags.needsBody ?? false,
    meaning,
  };
}

const BILLED = { isBilled: true };
const BODY = { needsBody: true };

// biome-ignore format: a table reads best with one row a line.
export const FAILURE_CLASSES = {
  refused: row('same', 'health', 'any', 'No connection came about; nothing was sent, so that another attempt costs nothing.'),
  dns: row('same', 'health', 'any', 'The provider’s name could not be resolved; nothing was sent, and resolvers fail for a moment more often than for good.'),
  tls: row('other', 'health', 'any', 'The TLS handshake failed; a certificate that is not accepted now will not be a second later, so that only another target helps.'),
  connect_timeout: row('same', 'health', 'any', 'Connecting took longer than `timeouts.connect`; nothing was sent, and a lost packet is made good by another attempt.'),
  queue: row('other', 'nothing', 'any', 'All of Weir’s own connections to the provider are busy and its queue is full or took too long; the target has done nothing wrong, and waiting there again would only lengthen the queue.'),
  reset_before_head: row('same', 'health', 'any', 'The connection ended before an answer began; a call of a model has no effect but its cost, so it may be sent again.', BILLED),
  reset_after_head: row('same', 'health', 'any', 'The answer broke off; it is asked for again only where nothing of it had gone to the caller.', BILLED),
  first_byte_timeout: row('other', 'health', 'any', 'No answer began within `timeouts.first_byte`; the same target would have the caller wait as long again and might charge twice, another may be quick.', BILLED),
  first_token_timeout: row('other', 'health', 'any', 'An answer began and brought no content within `timeouts.first_token`; as with the first byte, only another target is worth the wait.', BILLED),
  idle_timeout: row('other', 'health', 'any', 'The answer fell silent for longer than `timeouts.idle`; it is asked for elsewhere only where nothing of it had gone to the caller.', BILLED),
  whole_timeout: row('never', 'nothing', 'none', 'The time for the whole exchange is over, so that nothing can be tried any more; callers may set it as short as they like (`x-weir-timeout`), hence no target is blamed for it.', BILLED),
  malformed: row('same', 'health', 'any', 'The answer is not valid HTTP; its connection is closed, and on a new one the same target may do better.', BILLED),
  unauthorized: row('other', 'health', 'any', 'Weir’s own credential is not accepted; until it is replaced the target is of no use, while another may have a good one.'),
  forbidden: row('other', 'health', 'any', 'Weir’s own credential may not do this, or its account or region is blocked; another target’s may, unless the body says that it is about the content.', BODY),
  no_credit: row('other', 'health', 'any', 'The account behind Weir’s own credential is out of credit (OpenAI says so with 429); until it is paid the target is of no use, while another may be paid for.'),
  caller_refused: row('never', 'nothing', 'none', 'The caller’s own credential was passed on and is not accepted, not allowed to do this, or not paid for; that is between the caller and the provider, and says nothing about the target.', BODY),
  not_found: row('other', 'nothing', 'any', 'The target does not know the model, or what the path names; another may, and since a caller can ask for things that never were, the target is not blamed.'),
  request_timeout: row('same', 'health', 'any', 'The provider gave up waiting, on its own servers or for the request; it may be sent again.', BILLED),
  conflict: row('same', 'nothing', 'any', 'Another request held what this one needs; a moment later it is free, and the official clients try again too.'),
  too_large: row('other', 'nothing', 'context', 'The request is larger than this target takes; another may take more, and so may a model that reads longer prompts.', BODY),
  throttled: row('same', 'throttle', 'any', 'A rate limit of Weir’s own account; the target is well and is spared until the moment that it names, others are asked meanwhile; unless the body says that its account is out of credit.', BODY),
  caller_throttled: row('same', 'nothing', 'any', 'A rate limit of the caller’s own account, whose credential was passed on; it must not keep other callers from the target.', BODY),
  overloaded: row('same', 'health', 'any', 'The provider has no capacity left or is down; if it goes on, the target is left alone for a while, and `retry-after` is honoured.'),
  server_error: row('same', 'health', 'any', 'The provider failed, or what stands before it could not reach it; most such errors are gone with the next attempt.', BILLED),
  content_filter: row('never', 'nothing', 'content', 'The provider’s filter refused the prompt or the answer; to take what one provider refused to the next is for the operator to decide, with `content_fallbacks`.', BILLED),
  context_length: row('other', 'nothing', 'context', 'The prompt is longer than the model reads; a target that was set up with more room may read it, and so may the models of `context_fallbacks`.'),
  bad_request: row('never', 'nothing', 'none', 'The request is at fault and would be everywhere; unless the body says that it is only too long, filtered, unpaid, without a valid key, or for a model that this target lacks.', BODY),
} as const satisfies Record<string, FailureRow>;

export type FailureClassName = keyof typeof FAILURE_CLASSES;

/** Codes of core/errors.ts that say something about a target. All others are Weir's own refusals. */
export const CLASSES_BY_CODE: ReadonlyMap<string, FailureClassName> = new Map<
  string,
  FailureClassName
>([
  ['upstream_refused', 'refused'],
  ['connect_timeout', 'connect_timeout'],
  ['queue_full', 'queue'],
  ['queue_timeout', 'queue'],
  ['upstream_reset', 'reset_before_head'],
  ['upstream_cut', 'reset_after_head'],
  ['upstream_malformed', 'malformed'],
  ['first_byte_timeout', 'first_byte_timeout'],
  ['first_token_timeout', 'first_token_timeout'],
  ['idle_timeout', 'idle_timeout'],
  ['exchange_timeout', 'whole_timeout'],
]);

/** Statuses that are not just one of the 400s or of the 500s. */
export const CLASSES_BY_STATUS: ReadonlyMap<number, FailureClassName> = new Map<
  number,
  FailureClassName
>([
  [401, 'unauthorized'],
  [402, 'no_credit'],
  [403, 'forbidden'],
  [404, 'not_found'],
  [408, 'request_timeout'],
  [409, 'conflict'],
  // A model that was taken out of service, as Azure says it.
  [410, 'not_found'],
  [413, 'too_large'],
  [429, 'throttled'],
  // Groq's own, for its flex tier.
  [498, 'overloaded'],
  // vLLM and others, of what this server was not built to do.
  [501, 'not_found'],
  [503, 'overloaded'],
  // Anthropic's own.
  [529, 'overloaded'],
]);

/** What a class is called where it was the caller's own credential that was passed on. */
export const CLASSES_OF_CALLER: ReadonlyMap<FailureClassName, FailureClassName> = new Map<
  FailureClassName,
  FailureClassName
>([
  ['unauthorized', 'caller_refused'],
  ['no_credit', 'caller_refused'],
  ['forbidden', 'caller_refused'],
  ['throttled', 'caller_throttled'],
]);

/** @returns null where the error is Weir's own refusal, with which no target has to do. */
export function classifyError(error: GatewayError): FailureClassName | null {
  const name = CLASSES_BY_CODE.get(error.code) ?? null;
  if (error.systemCode === null || (name !== 'refused' && name !== 'reset_before_head')) {
    return name;
  }
  return classifySystemCode(error.systemCode, name);
}

/** Statuses of providers' answers that are failures. */
export const FAILURES_FROM = 400;

/**
 * @param status of a provider's answer.
 * @param isOwnCredential whether the request bore Weir's configured credential; false: the caller's own.
 * @returns null below 400.
 */
export function classifyStatus(status: number, isOwnCredential: boolean): FailureClassName | null {
  if (!(status >= FAILURES_FROM)) {
    return null;
  }
  const name = CLASSES_BY_STATUS.get(status) ?? (status < 500 ? 'bad_request' : 'server_error');
  return nameForCredential(name, isOwnCredential);
}

/** With the caller's own credential, what concerns an account concerns the caller's. */
export function nameForCredential(
  name: FailureClassName,
  isOwnCredential: boolean,
): FailureClassName {
  return isOwnCredential ? name : (CLASSES_OF_CALLER.get(name) ?? name);
}

/** getaddrinfo's codes begin with EAI_ but for this one; the others are c-ares's (nodejs.org/api/dns.html). */
const DNS_CODES: ReadonlySet<string> = new Set([
  ...['ENOTFOUND', 'ENODATA', 'ESERVFAIL', 'EFORMERR', 'ENOTIMP', 'EREFUSED', 'EBADNAME'],
  ...['EBADRESP', 'ETIMEOUT', 'ENONAME', 'EBADQUERY'],
]);

/** OpenSSL's verdicts on certificates that have no prefix in common (nodejs.org/api/tls.html, X509 certificate error codes). */
const CERTIFICATE_CODES: ReadonlySet<string> = new Set([
  ...['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'HOSTNAME_MISMATCH'],
  ...['INVALID_CA', 'INVALID_PURPOSE', 'PATH_LENGTH_EXCEEDED', 'CRL_HAS_EXPIRED'],
  ...['CRL_NOT_YET_VALID', 'CRL_SIGNATURE_FAILURE', 'EPROTO'],
]);

const TLS_PREFIXES: readonly string[] = [
  'ERR_TLS_',
  'ERR_SSL_',
  'CERT_',
  'UNABLE_TO_',
  'ERROR_IN_',
];

/** @param name what it is where the code tells nothing finer. */
function classifySystemCode(code: string, name: 'refused' | 'reset_before_head'): FailureClassName {
  if (name === 'reset_before_head') {
    return isCertificateAlert(code) ? 'tls' : name;
  }
  if (CERTIFICATE_CODES.has(code) || TLS_PREFIXES.some((prefix) => code.startsWith(prefix))) {
    return 'tls';
  }
  if (DNS_CODES.has(code) || code.startsWith('EAI_')) {
    return 'dns';
  }
  return code === 'ETIMEDOUT' ? 'connect_timeout' : name;
}

/**
 * In TLS 1.3 a client learns only after its handshake, perhaps after its request, that the server does not like its
 * certificate. What else OpenSSL may find wrong then is a connection that broke.
 */
function isCertificateAlert(code: string): boolean {
  return (
    code.startsWith('ERR_SSL_') &&
    code.includes('_ALERT_') &&
    (code.includes('CERTIFICATE') || code.endsWith('UNKNOWN_CA') || code.endsWith('ACCESS_DENIED'))
  );
}

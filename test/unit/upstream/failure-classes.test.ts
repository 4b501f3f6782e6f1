/** The table of failure classes: what it promises of each row, and that everything that can fail finds its row. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERRORS, type ErrorCode, GatewayError } from '../../../src/core/errors.js';
import { classifyErrorAnswer } from '../../../src/upstream/error-body.js';
import {
  CLASSES_BY_CODE,
  classifyError,
  classifyStatus,
  FAILURE_CLASSES,
  type FailureClassName,
  type FailureRow,
} from '../../../src/upstream/failure-classes.js';

const ROWS = Object.entries<FailureRow>(FAILURE_CLASSES) as [FailureClassName, FailureRow][];

function namesWhere(isWanted: (row: FailureRow) => boolean): FailureClassName[] {
  return ROWS.filter(([, row]) => isWanted(row))
    .map(([name]) => name)
    .sort();
}

/** An answer's status, or the code of an error of Weir's, with the system's own code behind a colon. */
type Sign = number | string;

/** For each class what it is told by. */
const SIGNS: Readonly<Record<FailureClassName, readonly Sign[]>> = {
  refused: ['upstream_refused', 'upstream_refused:ECONNREFUSED', 'upstream_refused:EHOSTUNREACH'],
  dns: ['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'ESERVFAIL', 'ETIMEOUT'].map(
    (code) => `upstream_refused:${code}`,
  ),
  tls: [
    ...[
      'CERT_HAS_EXPIRED',
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'SELF_SIGNED_CERT_IN_CHAIN',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'ERR_TLS_CERT_ALTNAME_INVALID',
      'ERR_SSL_WRONG_VERSION_NUMBER',
      'EPROTO',
    ].map((code) => `upstream_refused:${code}`),
    'upstream_reset:ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
    'upstream_reset:ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
    'upstream_reset:ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE',
  ],
  connect_timeout: ['connect_timeout', 'upstream_refused:ETIMEDOUT'],
  queue: ['queue_full', 'queue_timeout'],
  reset_before_head: [
    'upstream_reset',
    'upstream_reset:ECONNRESET',
    'upstream_reset:ETIMEDOUT',
    'upstream_reset:EPROTO',
    'upstream_reset:ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC',
  ],
  reset_after_head: ['upstream_cut', 'upstream_cut:ECONNRESET', 'upstream_cut:EPROTO'],
  first_byte_timeout: ['first_byte_timeout'],
  first_token_timeout: [],
  idle_timeout: ['idle_timeout'],
  whole_timeout: [],
  malformed: ['upstream_malformed', 'upstream_malformed:HPE_INVALID_CONSTANT'],
  unauthorized: [401],
  forbidden: [403],
  no_credit: [402],
  caller_refused: [],
  not_found: [404, 410, 501],
  request_timeout: [408],
  conflict: [409],
  too_large: [413],
  throttled: [429],
  caller_throttled: [],
  overloaded: [498, 503, 529],
  server_error: [500, 502, 504, 505, 507, 520, 524, 599, 600, 799, 999],
  content_filter: [],
  context_length: [],
  bad_request: [400, 405, 406, 415, 418, 421, 422, 425, 426, 428, 431, 451, 499],
};

function classifySign(sign: Sign): FailureClassName | null {
  if (typeof sign === 'number') {
    return classifyStatus(sign, true);
  }
  const [code, systemCode] = sign.split(':');
  return classifyError(
    new GatewayError(code as ErrorCode, 'x', systemCode === undefined ? {} : { systemCode }),
  );
}

for (const [name, signs] of Object.entries(SIGNS)) {
  if (signs.length > 0) {
    test(`${name} is told by ${signs.join(', ')}`, () => {
      for (const sign of signs) assert.equal(classifySign(sign), name, String(sign));
    });
  }
}

test('every row can come about: by a code, a status, a body, or with the caller’s own credential', () => {
  const reached = new Set<string>(CLASSES_BY_CODE.values());
  for (const signs of Object.values(SIGNS)) {
    for (const sign of signs) reached.add(String(classifySign(sign)));
  }
  for (const status of [401, 429]) reached.add(String(classifyStatus(status, false)));
  for (const code of ['context_length_exceeded', 'content_filter']) {
    const body = Buffer.from(JSON.stringify({ error: { code } }));
    reached.add(String(classifyErrorAnswer(400, true, body)));
  }
  assert.deepEqual([...reached].sort(), ROWS.map(([name]) => name).sort());
});

/** Errors that Weir answers with before it has asked a target, or of its own accord. */
const OWN_REFUSALS: readonly string[] = [
  'bad_framing',
  'bad_target',
  'bad_body',
  'bad_timeout',
  'client_certificate_required',
  'missing_key',
  'invalid_key',
  'model_not_found',
  'route_not_found',
  'method_not_allowed',
  'body_too_large',
  'rate_limit_exceeded',
  'limit_reached',
  'headers_too_large',
  'gateway_error',
  'overloaded',
  'draining',
  'no_target',
];

test('an error of Weir’s is a target’s failure or a refusal of Weir’s own, and a new one must be put down as either', () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const name = classifyError(new GatewayError(code, 'x'));
    assert.equal(name === null, OWN_REFUSALS.includes(code), code);
  }
});

test('what the system said does not turn a refusal of Weir’s own into a target’s failure', () => {
  const error = new GatewayError('bad_framing', 'x', { systemCode: 'ENOTFOUND' });
  assert.equal(classifyError(error), null);
});

test('an answer below 400 is no failure', () => {
  for (const status of [100, 101, 200, 204, 301, 304, 307, 399, 0, -1, Number.NaN]) {
    assert.equal(classifyStatus(status, true), null, String(status));
    assert.equal(classifyStatus(status, false), null, String(status));
  }
});

test('with the caller’s own credential its refusal and its limits harm no target', () => {
  for (const status of [401, 402, 403]) {
    assert.equal(classifyStatus(status, false), 'caller_refused');
  }
  assert.equal(classifyStatus(429, false), 'caller_throttled');
  for (const name of ['caller_refused', 'caller_throttled'] as const) {
    assert.equal(FAILURE_CLASSES[name].harms, 'nothing');
  }
  assert.equal(FAILURE_CLASSES.caller_refused.again, 'never');
});

test('with the caller’s own credential every other status means what it means with Weir’s', () => {
  for (let status = 400; status < 600; status += 1) {
    if (![401, 402, 403, 429].includes(status)) {
      assert.equal(classifyStatus(status, false), classifyStatus(status, true), String(status));
    }
  }
});

test('what a caller can bring about at will harms no target', () => {
  const byCaller: readonly FailureClassName[] = [
    'bad_request',
    'caller_refused',
    'caller_throttled',
    'conflict',
    'content_filter',
    'context_length',
    'not_found',
    'queue',
    'too_large',
    'whole_timeout',
  ];
  assert.deepEqual(
    namesWhere((row) => row.harms === 'nothing'),
    byCaller,
  );
});

test('only a rate limit of Weir’s own account weighs a target down instead of counting as a failure', () => {
  assert.deepEqual(
    namesWhere((row) => row.harms === 'throttle'),
    ['throttled'],
  );
});

test('a request that is at fault, refused for its caller or out of time is tried nowhere else, not even with another model', () => {
  assert.deepEqual(
    namesWhere((row) => row.again === 'never' && row.fallback === 'none'),
    ['bad_request', 'caller_refused', 'whole_timeout'],
  );
  assert.deepEqual(
    namesWhere((row) => row.fallback === 'none' && row.again !== 'never'),
    [],
  );
});

test('what a provider’s filter refused goes to no other target, only to the models for that', () => {
  assert.equal(FAILURE_CLASSES.content_filter.again, 'never');
  assert.deepEqual(
    namesWhere((row) => row.fallback === 'content'),
    ['content_filter'],
  );
});

test('a prompt that is too long may go to another target, and to the models that read more', () => {
  assert.deepEqual(
    namesWhere((row) => row.fallback === 'context'),
    ['context_length', 'too_large'],
  );
  for (const name of ['context_length', 'too_large'] as const) {
    assert.equal(FAILURE_CLASSES[name].again, 'other');
  }
});

test('a wait that was in vain is not repeated at the same target', () => {
  for (const name of [
    'first_byte_timeout',
    'first_token_timeout',
    'idle_timeout',
    'queue',
  ] as const) {
    assert.equal(FAILURE_CLASSES[name].again, 'other', name);
  }
});

test('where nothing was sent nothing is billed; where an answer was under way it may be', () => {
  for (const name of ['refused', 'dns', 'tls', 'connect_timeout', 'queue'] as const) {
    assert.equal(FAILURE_CLASSES[name].isBilled, false, name);
  }
  for (const name of ['reset_before_head', 'reset_after_head', 'first_byte_timeout'] as const) {
    assert.equal(FAILURE_CLASSES[name].isBilled, true, name);
  }
});

test('a class of an error that Weir may be billed for is billed too', () => {
  for (const [code, name] of CLASSES_BY_CODE) {
    if (code in ERRORS) {
      assert.equal(FAILURE_CLASSES[name].isBilled, ERRORS[code as ErrorCode].isBilled, code);
    }
  }
});

test('bodies are read of refusals that may be about the content, or the account, alone', () => {
  assert.deepEqual(
    namesWhere((row) => row.needsBody),
    ['bad_request', 'caller_refused', 'caller_throttled', 'forbidden', 'throttled', 'too_large'],
  );
});

test('every row says in one sentence what it is', () => {
  for (const [name, { meaning }] of ROWS) assert.match(meaning, /^[A-Z].{40,}[^.]\.$/u, name);
});

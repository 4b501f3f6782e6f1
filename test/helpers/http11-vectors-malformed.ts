/** Bytes that are no request, or one that is too large or broken. Ids as in MDA2AV/Http11Probe. */
import { BODY, chunks, get, LAST_CHUNK, line, post, raw } from './http11-requests.js';
import {
  KEEP_IN_STEP,
  NO_REQUEST,
  refuse,
  refuseLarge,
  refuseOrServe,
  WAIT,
} from './http11-rules.js';

import { createVectors, type Http11Vector } from './http11-vector.js';
import { SeededRandom } from './seeded-random.js';

const vector = createVectors('malformed');

const LINE = 'RFC 9112 3';
const NAME = 'RFC 9110 5.1';
const VALUE = 'RFC 9110 5.5';
const LARGE = 100_000;
const BAD_LENGTH = refuse('400, then close', { closes: true });
const BAD_TARGET = refuse('400');
const HEADERS_LARGE = refuseLarge('431 or 400, or close', [400, 431]);
const LINE_LARGE = refuseLarge('400, 405, 414 or 501, or close', [400, 405, 414, 431, 501]);
const ODD_TARGET = refuseOrServe('400; or serve as it came');

// biome-ignore format: a table reads best with one row a line.
export const MALFORMED_VECTORS: readonly Http11Vector[] = [
  vector('MAL-BINARY-GARBAGE', LINE, NO_REQUEST, () => new SeededRandom(42).bytes(256).toString('latin1')),
  vector('MAL-LONG-URL', LINE, LINE_LARGE, line(`GET @&long=${'A'.repeat(LARGE)} HTTP/1.1`)),
  vector('MAL-LONG-HEADER-VALUE', 'RFC 6585 5', HEADERS_LARGE, get(`X-Long: ${'B'.repeat(LARGE)}\r\n`)),
  vector('MAL-MANY-HEADERS', 'RFC 6585 5', HEADERS_LARGE, get(Array.from({ length: 10_000 }, (_, at) => `X-H-${at}: v\r\n`).join(''))),
  vector('MAL-NUL-IN-URL', LINE, BAD_TARGET, line('GET @&a=\0b HTTP/1.1')),
  vector('MAL-CONTROL-CHARS-HEADER', VALUE, refuse('400'), get('X-Odd: abc\x07\x08\x0bdef\r\n')),
  vector('MAL-INCOMPLETE-REQUEST', 'RFC 9112 2.2', WAIT, raw('GET @ HTTP/1.1\r\nHost: weir.test\r\nX-Odd: value')),
  vector('MAL-EMPTY-REQUEST', 'RFC 9112 2.2', WAIT, () => ''),
  vector('MAL-LONG-HEADER-NAME', 'RFC 6585 5', HEADERS_LARGE, get(`${'A'.repeat(LARGE)}: v\r\n`)),
  vector('MAL-LONG-METHOD', LINE, LINE_LARGE, line(`${'A'.repeat(LARGE)} @ HTTP/1.1`)),
  vector('MAL-NON-ASCII-HEADER-NAME', NAME, refuse('400'), get('X-T\xc3\xabst: v\r\n')),
  vector('MAL-NON-ASCII-URL', LINE, BAD_TARGET, line('GET @&a=caf\xc3\xa9 HTTP/1.1')),
  vector('MAL-CL-OVERFLOW', 'RFC 9112 6.3', BAD_LENGTH, post('Content-Length: 99999999999999999999\r\n')),
  vector('MAL-WHITESPACE-ONLY-LINE', 'RFC 9112 2.2', NO_REQUEST, () => '   \r\n\r\n'),
  vector('MAL-NUL-IN-HEADER-VALUE', VALUE, refuse('400'), get('X-Odd: val\0ue\r\n')),
  vector('MAL-CHUNK-SIZE-OVERFLOW', 'RFC 9112 7.1', BAD_LENGTH, chunks(`FFFFFFFFFFFFFFFF0\r\n${BODY}\r\n${LAST_CHUNK}`)),
  vector('MAL-H2-PREFACE', 'RFC 9113 3.4', NO_REQUEST, () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  vector('MAL-CL-EMPTY', 'RFC 9110 8.6', BAD_LENGTH, post('Content-Length: \r\n')),
  vector('MAL-CL-TAB-BEFORE-VALUE', VALUE, refuseOrServe('400; or trim and serve'), post('Content-Length:\t5\r\n', BODY), { body: BODY }),
  vector('MAL-URL-BACKSLASH', 'RFC 3986 3.3', ODD_TARGET, line('GET @&a=b\\c HTTP/1.1'), { body: '' }),
  vector('MAL-URL-OVERLONG-UTF8', LINE, BAD_TARGET, line('GET @&a=\xc0\xaf HTTP/1.1')),
  vector('MAL-URL-PERCENT-NULL', 'RFC 3986 2.1', ODD_TARGET, raw('GET /v1/echo%00?v={id} HTTP/1.1\r\nHost: weir.test\r\nX-Vector: {id}\r\n\r\n'), { body: '' }),
  vector('MAL-URL-PERCENT-CRLF', 'RFC 3986 2.1', ODD_TARGET, raw('GET /v1/echo%0d%0aX-Injected:%20true?v={id} HTTP/1.1\r\nHost: weir.test\r\nX-Vector: {id}\r\n\r\n'), { body: '' }),
  vector('MAL-CHUNK-EXT-64K', 'RFC 9112 7.1.1', refuseLarge('400, 413 or 431, or close', [400, 413, 431]), chunks(`5;ext=${'a'.repeat(65_536)}\r\n${BODY}\r\n${LAST_CHUNK}`)),
  vector('MAL-RANGE-OVERLAPPING', 'RFC 9110 14.2', KEEP_IN_STEP, get(`Range: bytes=${Array.from({ length: 1000 }, () => '0-').join(',')}\r\n`), { body: '' }),
  vector('MAL-POST-CL-HUGE-NO-BODY', 'RFC 9112 6.3', WAIT, post('Content-Length: 999999999\r\n')),
];

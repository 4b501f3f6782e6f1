/** The 33 situations that uNetworking/h1spec tries: requests of which only the beginning came, and plain faults. */
import { BODY, CHUNKED, get, LENGTH, line, post, raw } from './http11-requests.js';
import { refuse, serve, WAIT } from './http11-rules.js';
import { createVectors, type Http11Vector } from './http11-vector.js';

const vector = createVectors('h1spec');

const LINE = 'RFC 9112 3';
const LENGTHS = 'RFC 9112 6.3';
const NONE = { body: '' } as const;
const BAD = refuse('400');
const BAD_LENGTH = refuse('400, then close', { closes: true });

/** Where a plain request is broken off: behind these bytes of it. */
const WHOLE = 'GET /v1/echo HTTP/1.1\r\nHost: weir.test\r\n\r\n';
const CUTS: Readonly<Record<string, string>> = {
  METHOD: 'G',
  'METHOD-SPACE': 'GET ',
  TARGET: 'GET /v1/echo',
  'TARGET-SPACE': 'GET /v1/echo ',
  VERSION: 'GET /v1/echo HTTP',
  LINE: 'GET /v1/echo HTTP/1.1',
  'LINE-CR': 'GET /v1/echo HTTP/1.1\r',
  'LINE-CRLF': 'GET /v1/echo HTTP/1.1\r\n',
  NAME: 'GET /v1/echo HTTP/1.1\r\nHos',
  COLON: 'GET /v1/echo HTTP/1.1\r\nHost:',
  'COLON-SPACE': 'GET /v1/echo HTTP/1.1\r\nHost: ',
  VALUE: 'GET /v1/echo HTTP/1.1\r\nHost: weir.test',
  'VALUE-CR': 'GET /v1/echo HTTP/1.1\r\nHost: weir.test\r',
  'VALUE-CRLF': 'GET /v1/echo HTTP/1.1\r\nHost: weir.test\r\n',
  'END-CR': WHOLE.slice(0, -1),
};

// biome-ignore format: a table reads best with one row a line.
const WHOLES: readonly Http11Vector[] = [
  vector('H1SPEC-NO-VERSION', 'RFC 9112 2.3', refuse('400 or 505', { statuses: [400, 505] }), raw('GET @ \r\n\r\n')),
  vector('H1SPEC-EXPECT', 'RFC 9110 10.1.1', serve(), get('Expect: 100-continue\r\n'), NONE),
  vector('H1SPEC-GET', LINE, serve(), get(), NONE),
  vector('H1SPEC-GET-ODD-CASE-AND-TAB', 'RFC 9110 5.5', serve(), (id) => `GET /v1/echo?v=${id} HTTP/1.1\r\nhoSt:\tweir.test\r\nX-Vector: ${id}\r\nempty:\r\n\r\n`, NONE),
  vector('H1SPEC-NAME-WITH-BRACKETS', 'RFC 9110 5.1', BAD, get('X-Odd[]: a\r\n')),
  vector('H1SPEC-NO-HOST', 'RFC 9112 3.2', BAD, line('GET @ HTTP/1.1', LENGTH, '')),
  vector('H1SPEC-TWO-HOSTS', 'RFC 9112 3.2', BAD, get('Host: other.test\r\n')),
  vector('H1SPEC-LENGTH-OVERFLOWS-BELOW', LENGTHS, BAD_LENGTH, get('Content-Length: -123456789123456789123456789\r\n')),
  vector('H1SPEC-LENGTH-NEGATIVE', LENGTHS, BAD_LENGTH, get('Content-Length: -1234\r\n')),
  vector('H1SPEC-LENGTH-NO-NUMBER', LENGTHS, BAD_LENGTH, get('Content-Length: abc\r\n')),
  vector('H1SPEC-EMPTY-VALUE', 'RFC 9110 5.5', serve(), get('X-Empty: \r\n'), NONE),
  vector('H1SPEC-CONTROL-IN-VALUE', 'RFC 9110 5.5', BAD, get('X-Odd: a\x07\r\n')),
  vector('H1SPEC-VERSION-9.9', 'RFC 9112 2.3', refuse('400 or 505', { statuses: [400, 505] }), line('GET @ HTTP/9.9')),
  vector('H1SPEC-WORDS-BEFORE-METHOD', LINE, refuse('400 or 501', { statuses: [400, 405, 501] }), line('Two wordsGET @ HTTP/1.1')),
  vector('H1SPEC-CR-BEFORE-NAME', 'RFC 9112 2.2', BAD, get('\rX-Odd: a\r\n')),
  vector('H1SPEC-POST', 'RFC 9112 6.2', serve(), post(LENGTH, BODY), { body: BODY }),
  vector('H1SPEC-CHUNKED-AND-LENGTH', LENGTHS, BAD_LENGTH, get(`${CHUNKED}${LENGTH}`)),
  vector('H1SPEC-HTTP-0.9', 'RFC 9112 2.3', refuse('400, 505 or close', { statuses: [400, 505] }), raw('GET @\r\n\r\n')),
];

export const H1SPEC_VECTORS: readonly Http11Vector[] = [
  ...Object.entries(CUTS).map(([name, text]) =>
    vector(`H1SPEC-CUT-BEHIND-${name}`, 'RFC 9112 2.2', WAIT, () => text),
  ),
  ...WHOLES,
];

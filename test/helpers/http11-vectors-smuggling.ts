/** Requests whose length two parsers may read in two ways. Ids as in MDA2AV/Http11Probe; bytes and judgement are our own. */
import {
  BODY,
  CHUNKED,
  chunks,
  HOST,
  LAST_CHUNK,
  LENGTH,
  line,
  post,
  request,
  withHost,
} from './http11-requests.js';
import {
  dropTrailer,
  KEEP_IN_STEP,
  REFUSE_OR_CLOSE,
  refuse,
  refuseOrServe,
} from './http11-rules.js';
import { createVectors, type Http11Vector } from './http11-vector.js';

const vector = createVectors('smuggling');

const FRAMING = 'RFC 9112 6.3';
const CODING = 'RFC 9112 6.1';
const CHUNK = 'RFC 9112 7.1';
const EXTENSION = 'RFC 9112 7.1.1';
const TRAILER = 'RFC 9110 6.5.1';
const HIDDEN = { isScored: false } as const;
const SERVED = { body: BODY } as const;
const OPEN = { body: BODY, isScored: false } as const;

const BAD_LENGTH = refuse('400, then close', { closes: true });
const BAD_CODING = refuse('400 or 501, then close', { statuses: [400, 501], closes: true });
const BAD_CHUNK = refuse('400, then close', { closes: true });
/** A coding and a length, and the coding is one that a lax parser takes for chunked. */
const LOOSE_CODING = refuse('400 or 501, then close', { statuses: [400, 501], closes: true });
const LOOSE_LENGTH = refuseOrServe('400; or serve by the digits');
/** A single LF as the end of a line may be taken for one (RFC 9112 section 2.2). */
const BARE_LF = refuseOrServe('400; or take LF for a line end');

const withLength = (value: string, body = BODY) => post(`Content-Length:${value}\r\n`, body);
const withCoding = (value: string) => post(`Transfer-Encoding:${value}\r\n${LENGTH}`, BODY);
const oneChunk = (sizeLine: string) => chunks(`${sizeLine}${BODY}\r\n${LAST_CHUNK}`);
const withTrailer = (text: string) => chunks(`5\r\n${BODY}\r\n0\r\n${text}\r\n\r\n`);

// biome-ignore format: a table reads best with one row a line.
const LENGTHS: readonly Http11Vector[] = [
  vector('SMUG-DUPLICATE-CL', FRAMING, BAD_LENGTH, post('Content-Length: 5\r\nContent-Length: 10\r\n', `${BODY}${BODY}`)),
  vector('SMUG-CL-LEADING-ZEROS', 'RFC 9110 8.6', LOOSE_LENGTH, withLength(' 005'), SERVED),
  vector('SMUG-CL-NEGATIVE', FRAMING, BAD_LENGTH, withLength(' -1', '')),
  vector('SMUG-CL-TRAILING-SPACE', 'RFC 9110 5.5', refuseOrServe('400; or trim and serve'), withLength(' 5 '), SERVED),
  vector('SMUG-CL-EXTRA-LEADING-SP', 'RFC 9110 5.5', refuseOrServe('400; or trim and serve'), withLength('   5'), SERVED),
  vector('SMUG-CL-COMMA-DIFFERENT', FRAMING, BAD_LENGTH, withLength(' 5, 10')),
  vector('SMUG-CL-COMMA-SAME', FRAMING, LOOSE_LENGTH, withLength(' 5, 5'), OPEN),
  vector('SMUG-CL-COMMA-TRIPLE', FRAMING, LOOSE_LENGTH, withLength(' 5, 5, 5'), OPEN),
  vector('SMUG-CL-OCTAL', 'RFC 9110 8.6', BAD_LENGTH, withLength(' 0o5')),
  vector('SMUG-CL-HEX-PREFIX', 'RFC 9110 8.6', BAD_LENGTH, withLength(' 0x5')),
  vector('SMUG-CL-INTERNAL-SPACE', 'RFC 9110 8.6', BAD_LENGTH, withLength(' 1 0', `${BODY}${BODY}`)),
  vector('SMUG-CL-UNDERSCORE', 'RFC 9110 8.6', BAD_LENGTH, withLength(' 1_0', `${BODY}${BODY}`)),
  vector('SMUG-CL-NEGATIVE-ZERO', 'RFC 9110 8.6', BAD_LENGTH, withLength(' -0', '')),
  vector('SMUG-CL-DOUBLE-ZERO', 'RFC 9110 8.6', LOOSE_LENGTH, withLength(' 00', ''), { body: '' }),
  vector('SMUG-CL-LEADING-ZEROS-OCTAL', 'RFC 9110 8.6', LOOSE_LENGTH, withLength(' 0200', ' '.repeat(200)), { body: ' '.repeat(200) }),
];

// biome-ignore format: a table reads best with one row a line.
const CODINGS: readonly Http11Vector[] = [
  vector('SMUG-CL-TE-BOTH', FRAMING, REFUSE_OR_CLOSE, post(`Content-Length: 15\r\n${CHUNKED}`, `5\r\n${BODY}\r\n${LAST_CHUNK}`), SERVED),
  vector('SMUG-CLTE-PIPELINE', FRAMING, REFUSE_OR_CLOSE, post(`Content-Length: 4\r\n${CHUNKED}`, LAST_CHUNK), { body: '' }),
  vector('SMUG-TECL-PIPELINE', FRAMING, REFUSE_OR_CLOSE, post(`${CHUNKED}Content-Length: 30\r\n`, LAST_CHUNK), { body: '' }),
  vector('SMUG-TE-XCHUNKED', CODING, BAD_CODING, withCoding(' xchunked')),
  vector('SMUG-TE-TRAILING-SPACE', FRAMING, LOOSE_CODING, withCoding(' chunked ')),
  vector('SMUG-TE-SP-BEFORE-COLON', 'RFC 9112 5.1', refuse('400', { closes: true }), post(`Transfer-Encoding : chunked\r\n${LENGTH}`, BODY)),
  vector('SMUG-TE-DOUBLE-CHUNKED', CODING, BAD_CODING, withCoding(' chunked, chunked')),
  vector('SMUG-TE-CASE-MISMATCH', FRAMING, LOOSE_CODING, withCoding(' Chunked')),
  vector('SMUG-TE-NOT-FINAL-CHUNKED', FRAMING, BAD_CODING, post('Transfer-Encoding: chunked, gzip\r\n', LAST_CHUNK)),
  vector('SMUG-TE-HTTP10', CODING, refuse('400, then close', { statuses: [400, 505], closes: true }), (id) => `POST /v1/echo?v=${id} HTTP/1.0\r\n${HOST}X-Vector: ${id}\r\n${CHUNKED}${LENGTH}\r\n${BODY}`),
  vector('SMUG-TE-EMPTY-VALUE', FRAMING, BAD_CODING, withCoding(' ')),
  vector('SMUG-TE-LEADING-COMMA', FRAMING, LOOSE_CODING, withCoding(' , chunked')),
  vector('SMUG-TE-TRAILING-COMMA', FRAMING, LOOSE_CODING, withCoding(' chunked,')),
  vector('SMUG-TE-DUPLICATE-HEADERS', FRAMING, BAD_CODING, post(`${CHUNKED}Transfer-Encoding: identity\r\n${LENGTH}`, BODY)),
  vector('SMUG-TE-VTAB', 'RFC 9110 5.5', BAD_CODING, withCoding(' \x0bchunked')),
  vector('SMUG-TE-FORMFEED', 'RFC 9110 5.5', BAD_CODING, withCoding(' \x0cchunked')),
  vector('SMUG-TE-NULL', 'RFC 9110 5.5', BAD_CODING, withCoding(' chunked\0')),
  vector('SMUG-TE-IDENTITY', CODING, BAD_CODING, withCoding(' identity')),
  vector('SMUG-TE-OBS-FOLD', 'RFC 9112 5.2', refuse('400, or unfold and close', { statuses: [400, 501], closes: true }), withCoding('\r\n chunked')),
  vector('SMUG-TE-TAB-BEFORE-VALUE', FRAMING, LOOSE_CODING, withCoding('\tchunked'), HIDDEN),
  vector('SMUG-TRANSFER_ENCODING', 'RFC 9110 5.1', refuseOrServe('400; or serve by the length'), post(`Transfer_Encoding: chunked\r\n${LENGTH}`, BODY), OPEN),
  vector('SMUG-CHUNKED-WITH-PARAMS', CODING, BAD_CODING, withCoding(' chunked;ext=val'), HIDDEN),
];

// biome-ignore format: a table reads best with one row a line.
const CHUNKS: readonly Http11Vector[] = [
  vector('SMUG-CHUNK-BARE-SEMICOLON', EXTENSION, BAD_CHUNK, oneChunk('5;\r\n')),
  vector('SMUG-CHUNK-EXT-INVALID-TOKEN', EXTENSION, BAD_CHUNK, oneChunk('5;bad[=x\r\n')),
  vector('SMUG-CHUNK-UNDERSCORE', CHUNK, BAD_CHUNK, chunks(`1_0\r\n${' '.repeat(16)}\r\n${LAST_CHUNK}`)),
  vector('SMUG-CHUNK-HEX-PREFIX', CHUNK, BAD_CHUNK, oneChunk('0x5\r\n')),
  vector('SMUG-CHUNK-SIZE-PLUS', CHUNK, BAD_CHUNK, oneChunk('+5\r\n')),
  vector('SMUG-CHUNK-SIZE-TRAILING-OWS', CHUNK, BAD_CHUNK, oneChunk('5 \r\n')),
  vector('SMUG-CHUNK-LEADING-SP', CHUNK, BAD_CHUNK, oneChunk(' 5\r\n')),
  vector('SMUG-CHUNK-NEGATIVE', CHUNK, BAD_CHUNK, oneChunk('-1\r\n')),
  vector('SMUG-CHUNK-MISSING-TRAILING-CRLF', CHUNK, BAD_CHUNK, chunks(`5\r\n${BODY}${LAST_CHUNK}`)),
  vector('SMUG-CHUNK-SPILL', CHUNK, BAD_CHUNK, chunks(`5\r\n${BODY}!!\r\n${LAST_CHUNK}`)),
  vector('SMUG-CHUNK-EXT-LF', EXTENSION, BARE_LF, oneChunk('5;\n'), SERVED),
  vector('SMUG-CHUNK-LF-TERM', CHUNK, BARE_LF, chunks(`5\r\n${BODY}\n${LAST_CHUNK}`), SERVED),
  vector('SMUG-CHUNK-LF-TRAILER', CHUNK, BARE_LF, chunks(`5\r\n${BODY}\r\n0\r\n\n`), SERVED),
  vector('SMUG-CHUNK-EXT-CTRL', EXTENSION, BAD_CHUNK, oneChunk('5;\0ext\r\n')),
  vector('SMUG-CHUNK-EXT-CR', EXTENSION, BAD_CHUNK, oneChunk('5;a\rX\r\n')),
  vector('SMUG-CHUNK-BARE-CR-TERM', CHUNK, BAD_CHUNK, oneChunk('5\r')),
];

// biome-ignore format: a table reads best with one row a line.
const OTHERS: readonly Http11Vector[] = [
  vector('SMUG-BARE-CR-HEADER-VALUE', 'RFC 9112 2.2', refuse('400'), post(`${LENGTH}X-Odd: val\rue\r\n`, BODY)),
  vector('SMUG-EXPECT-100-CL', 'RFC 9110 10.1.1', KEEP_IN_STEP, post(`${LENGTH}Expect: 100-continue\r\n`, BODY), OPEN),
  vector('SMUG-HEAD-CL-BODY', 'RFC 9110 9.3.2', KEEP_IN_STEP, request('HEAD', LENGTH, BODY), { toHead: true, isScored: false }),
  vector('SMUG-OPTIONS-CL-BODY', 'RFC 9110 9.3.7', KEEP_IN_STEP, request('OPTIONS', LENGTH, BODY), OPEN),
  vector('SMUG-TRAILER-CL', TRAILER, dropTrailer('content-length', '50'), withTrailer('Content-Length: 50'), OPEN),
  vector('SMUG-TRAILER-TE', TRAILER, KEEP_IN_STEP, withTrailer('Transfer-Encoding: chunked'), OPEN),
  vector('SMUG-TRAILER-HOST', TRAILER, dropTrailer('host', 'evil.test'), withTrailer('Host: evil.test'), OPEN),
  vector('SMUG-TRAILER-AUTH', TRAILER, dropTrailer('authorization', 'Bearer evil'), withTrailer('Authorization: Bearer evil'), OPEN),
  vector('SMUG-TRAILER-CONTENT-TYPE', TRAILER, dropTrailer('content-type', 'text/evil'), withTrailer('Content-Type: text/evil'), OPEN),
  vector('SMUG-ABSOLUTE-URI-HOST-MISMATCH', 'RFC 9112 3.2.2', refuseOrServe('400; or serve by the target', [400, 505]), line('GET http://other.test@ HTTP/1.1'), HIDDEN),
  vector('SMUG-MULTIPLE-HOST-COMMA', 'RFC 9112 3.2', refuse('400'), withHost('Host: weir.test, other.test\r\n')),
];

export const SMUGGLING_VECTORS: readonly Http11Vector[] = [
  ...LENGTHS,
  ...CODINGS,
  ...CHUNKS,
  ...OTHERS,
];

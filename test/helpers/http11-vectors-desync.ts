/** Requests that hide another one, or its beginning, where a lax parser would look for the next. Ids as in Http11Probe. */
import {
  BODY,
  CHUNKED,
  chunks,
  HOST,
  hide,
  hideInChunk,
  LAST_CHUNK,
  LENGTH,
  post,
  request,
} from './http11-requests.js';
import { KEEP_IN_STEP, PIPELINE, REFUSE_OR_CLOSE, refuse, SEE_THE_REST } from './http11-rules.js';
import { createVectors, type Http11Vector } from './http11-vector.js';

const vector = createVectors('smuggling');

const FRAMING = 'RFC 9112 6.3';
const BAD = refuse('400, then close', { statuses: [400, 501], closes: true });
const EMPTY = { body: '' } as const;
const OPEN = { isScored: false } as const;

/** The beginning of a request; where the body is left unread it swallows the marker's first line. */
const PREFIX = `GET /v1/smuggled HTTP/1.1\r\n${HOST}X-Ignore: `;

// biome-ignore format: a table reads best with one row a line.
export const DESYNC_VECTORS: readonly Http11Vector[] = [
  vector('SMUG-CLTE-CONN-CLOSE', FRAMING, REFUSE_OR_CLOSE, post(`${LENGTH}${CHUNKED}`, LAST_CHUNK), EMPTY),
  vector('SMUG-TECL-CONN-CLOSE', FRAMING, REFUSE_OR_CLOSE, post(`${CHUNKED}${LENGTH}`, LAST_CHUNK), EMPTY),
  vector('SMUG-CLTE-DESYNC', FRAMING, REFUSE_OR_CLOSE, post(`Content-Length: 6\r\n${CHUNKED}`, `${LAST_CHUNK}X`), EMPTY),
  vector('SMUG-TECL-DESYNC', FRAMING, REFUSE_OR_CLOSE, post(`${CHUNKED}Content-Length: 30\r\n`, `${LAST_CHUNK}X`), EMPTY),
  vector('SMUG-CLTE-SMUGGLED-GET', FRAMING, REFUSE_OR_CLOSE, hide((bytes) => `Content-Length: ${bytes}\r\n${CHUNKED}`), EMPTY),
  vector('SMUG-CLTE-SMUGGLED-GET-CL-PLUS', FRAMING, BAD, hide((bytes) => `Content-Length: +${bytes}\r\n${CHUNKED}`)),
  vector('SMUG-CLTE-SMUGGLED-GET-CL-NON-NUMERIC', FRAMING, BAD, hide((bytes) => `Content-Length: ${bytes}x\r\n${CHUNKED}`)),
  vector('SMUG-CLTE-SMUGGLED-GET-TE-OBS-FOLD', 'RFC 9112 5.2', BAD, hide((bytes) => `Transfer-Encoding:\r\n chunked\r\nContent-Length: ${bytes}\r\n`)),
  vector('SMUG-CLTE-SMUGGLED-HEAD', FRAMING, REFUSE_OR_CLOSE, hide((bytes) => `Content-Length: ${bytes}\r\n${CHUNKED}`, LAST_CHUNK, 'HEAD'), EMPTY),
  vector('SMUG-CLTE-SMUGGLED-GET-TE-TRAILING-SPACE', FRAMING, REFUSE_OR_CLOSE, hide((bytes) => `Content-Length: ${bytes}\r\nTransfer-Encoding: chunked \r\n`), EMPTY),
  vector('SMUG-CLTE-SMUGGLED-GET-TE-LEADING-COMMA', FRAMING, REFUSE_OR_CLOSE, hide((bytes) => `Content-Length: ${bytes}\r\nTransfer-Encoding: , chunked\r\n`), EMPTY),
  vector('SMUG-CLTE-SMUGGLED-GET-TE-CASE-MISMATCH', FRAMING, REFUSE_OR_CLOSE, hide((bytes) => `Content-Length: ${bytes}\r\nTransfer-Encoding: Chunked\r\n`), EMPTY),
  vector('SMUG-TE-DUPLICATE-HEADERS-SMUGGLED-GET', FRAMING, BAD, hide((bytes) => `${CHUNKED}Transfer-Encoding: identity\r\nContent-Length: ${bytes}\r\n`)),
  vector('SMUG-TECL-SMUGGLED-GET', FRAMING, REFUSE_OR_CLOSE, hideInChunk()),
  vector('SMUG-DUPLICATE-CL-SMUGGLED-GET', FRAMING, BAD, hide((bytes) => `Content-Length: 4\r\nContent-Length: ${bytes}\r\n`, 'true')),
  vector('SMUG-GET-CL-PREFIX-DESYNC', 'RFC 9110 9.3.1', KEEP_IN_STEP, request('GET', `Content-Length: ${PREFIX.length}\r\n`, PREFIX), { body: PREFIX, isScored: false }),
  vector('SMUG-CL0-BODY-POISON', FRAMING, SEE_THE_REST, post('Content-Length: 0\r\n', 'X'), OPEN),
  vector('SMUG-GET-CL-BODY-DESYNC', 'RFC 9110 9.3.1', KEEP_IN_STEP, request('GET', LENGTH, BODY), { body: BODY, isScored: false }),
  vector('SMUG-OPTIONS-CL-BODY-DESYNC', 'RFC 9110 9.3.7', KEEP_IN_STEP, request('OPTIONS', LENGTH, BODY), { body: BODY, isScored: false }),
  vector('SMUG-EXPECT-100-CL-DESYNC', 'RFC 9110 10.1.1', KEEP_IN_STEP, post(`${LENGTH}Expect: 100-continue\r\n`, BODY), { body: BODY, isScored: false }),
  vector('SMUG-OPTIONS-TE-OBS-FOLD', 'RFC 9112 5.2', BAD, request('OPTIONS', `Transfer-Encoding:\r\n chunked\r\n${LENGTH}`, BODY)),
  vector('SMUG-CHUNK-INVALID-SIZE-DESYNC', 'RFC 9112 7.1', BAD, chunks('+0\r\n\r\nX')),
  vector('SMUG-PIPELINE-SAFE', 'RFC 9112 9.3.2', PIPELINE, (id) => `${request('GET', '')(id)}GET /v1/marker?of=${id} HTTP/1.1\r\n${HOST}X-Marker: ${id}\r\n\r\n`, { body: '', isScored: false }),
];

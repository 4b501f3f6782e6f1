/** Plain requests that must be served, and plain faults that must be refused. Ids as in MDA2AV/Http11Probe. */
import {
  BODY,
  chunks,
  get,
  HOST,
  LAST_CHUNK,
  LENGTH,
  line,
  post,
  raw,
  request,
  withHost,
} from './http11-requests.js';
import {
  EXPECTATION,
  KEEP_IN_STEP,
  NAME_ALLOWED,
  NO_INTERIM,
  NO_LENGTH_IN_204,
  NO_TRACE,
  NO_UPGRADE,
  NOT_414,
  refuse,
  refuseOrServe,
  serve,
  serveAndClose,
  serveWith,
  WAIT,
} from './http11-rules.js';
import { createVectors, type Http11Vector } from './http11-vector.js';

const vector = createVectors('compliance');

const LINE = 'RFC 9112 3';
const VERSION = 'RFC 9112 2.3';
const HOSTS = 'RFC 9112 3.2';
const NAMES = 'RFC 9112 5.1';
const LENGTHS = 'RFC 9112 6.2';
const CHUNK = 'RFC 9112 7.1';
const UPGRADE = 'RFC 9110 7.8';
const NONE = { body: '' } as const;
const SERVED = { body: BODY } as const;
const UNSCORED = { body: '', isScored: false } as const;

const BAD = refuse('400');
const BAD_VERSION = refuse('400 or 505', { statuses: [400, 505] });
const BARE_LF = refuseOrServe('400; or take LF for a line end');
const ODD_METHOD = refuse('400, 405 or 501', { statuses: [400, 405, 501] });

const websocket = 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: ';
const asUpgrade = (version: number) =>
  `Connection: Upgrade\r\nUpgrade: websocket\r\n${websocket}${version}\r\n`;
const http10 =
  (method: string, lines: string, body = '') =>
  (id: string) =>
    `${method} /v1/echo?v=${id} HTTP/1.0\r\n${HOST}X-Vector: ${id}\r\n${lines}\r\n${body}`;

// biome-ignore format: a table reads best with one row a line.
const LINES: readonly Http11Vector[] = [
  vector('COMP-BASELINE', LINE, serve(), get(), NONE),
  vector('RFC9112-2.2-BARE-LF-REQUEST-LINE', 'RFC 9112 2.2', BARE_LF, raw('GET @ HTTP/1.1\nHost: weir.test\r\nX-Vector: {id}\r\n\r\n'), NONE),
  vector('RFC9112-2.2-BARE-LF-HEADER', 'RFC 9112 2.2', BARE_LF, get('X-Odd: a\nX-More: b\r\n'), NONE),
  vector('RFC9112-3-MULTI-SP-REQUEST-LINE', LINE, refuseOrServe('400; or read leniently'), line('GET  @ HTTP/1.1'), NONE),
  vector('RFC9112-2.3-INVALID-VERSION', VERSION, BAD_VERSION, line('GET @ HTTP/9.9')),
  vector('RFC9112-3-CR-ONLY-LINE-ENDING', 'RFC 9112 2.2', BAD, raw('GET @ HTTP/1.1\rHost: weir.test\r\nX-Vector: {id}\r\n\r\n')),
  vector('RFC9112-3-MISSING-TARGET', LINE, BAD, line('GET HTTP/1.1')),
  vector('RFC9112-3.2-FRAGMENT-IN-TARGET', HOSTS, refuseOrServe('400; or serve'), line('GET @#fragment HTTP/1.1'), NONE),
  vector('RFC9112-2.3-HTTP09-REQUEST', VERSION, refuse('400, 505 or close', { statuses: [400, 505] }), raw('GET @\r\n\r\n')),
  vector('COMP-ASTERISK-WITH-GET', 'RFC 9112 3.2.4', BAD, line('GET * HTTP/1.1')),
  vector('COMP-OPTIONS-STAR', 'RFC 9112 3.2.4', serve(), line('OPTIONS * HTTP/1.1')),
  vector('COMP-LEADING-CRLF', 'RFC 9112 2.2', refuseOrServe('400; or skip the empty line'), raw('\r\n\r\nGET @ HTTP/1.1\r\nHost: weir.test\r\nX-Vector: {id}\r\n\r\n'), NONE),
  vector('COMP-ABSOLUTE-FORM', 'RFC 9112 3.2.2', serve('serve'), line('GET http://weir.test@ HTTP/1.1'), UNSCORED),
  vector('COMP-METHOD-CASE', 'RFC 9110 9.1', NAME_ALLOWED, line('get @ HTTP/1.1')),
  vector('COMP-REQUEST-LINE-TAB', LINE, refuseOrServe('400; or read leniently'), line('GET\t@ HTTP/1.1'), NONE),
  vector('COMP-VERSION-MISSING-MINOR', VERSION, BAD_VERSION, line('GET @ HTTP/1')),
  vector('COMP-VERSION-LEADING-ZEROS', VERSION, BAD_VERSION, line('GET @ HTTP/01.01')),
  vector('COMP-VERSION-WHITESPACE', VERSION, BAD_VERSION, line('GET @ HTTP/ 1.1')),
  vector('COMP-VERSION-CASE', VERSION, BAD_VERSION, line('GET @ http/1.1')),
  vector('COMP-HTTP12-VERSION', VERSION, refuseOrServe('serve, or 505', [505]), line('GET @ HTTP/1.2'), UNSCORED),
  vector('COMP-LONG-URL-OK', LINE, NOT_414, line(`GET @&long=${'a'.repeat(7900)} HTTP/1.1`), NONE),
  vector('COMP-SPACE-IN-TARGET', HOSTS, BAD, line('GET @ a HTTP/1.1')),
];

// biome-ignore format: a table reads best with one row a line.
const HEADERS: readonly Http11Vector[] = [
  vector('RFC9112-5.1-OBS-FOLD', 'RFC 9112 5.2', refuseOrServe('400; or unfold'), get('X-Odd: value\r\n continued\r\n'), NONE),
  vector('RFC9110-5.6.2-SP-BEFORE-COLON', NAMES, BAD, get('X-Odd : value\r\n')),
  vector('RFC9112-7.1-MISSING-HOST', HOSTS, BAD, withHost('')),
  vector('RFC9112-5-EMPTY-HEADER-NAME', NAMES, BAD, get(': empty\r\n')),
  vector('RFC9112-5-INVALID-HEADER-NAME', NAMES, BAD, get('Bad[Name: value\r\n')),
  vector('RFC9112-5-HEADER-NO-COLON', NAMES, BAD, get('NoColonHere\r\n')),
  vector('RFC9110-5.4-DUPLICATE-HOST', HOSTS, BAD, get('Host: other.test\r\n')),
  vector('COMP-WHITESPACE-BEFORE-HEADERS', 'RFC 9112 2.2', refuse('400'), line('GET @ HTTP/1.1\r\n ')),
  vector('COMP-DUPLICATE-HOST-SAME', HOSTS, BAD, get(HOST)),
  vector('COMP-HOST-WITH-USERINFO', HOSTS, BAD, withHost('Host: user@weir.test\r\n')),
  vector('COMP-HOST-WITH-PATH', HOSTS, BAD, withHost('Host: weir.test/path\r\n')),
  vector('COMP-HOST-EMPTY-VALUE', HOSTS, BAD, withHost('Host: \r\n')),
  vector('COMP-DUPLICATE-CT', 'RFC 9110 5.3', refuseOrServe('400; or serve'), post(`${LENGTH}Content-Type: text/plain\r\nContent-Type: text/html\r\n`, BODY), SERVED),
  vector('COMP-ACCEPT-NONSENSE', 'RFC 9110 12.5.1', serve(), get('Accept: application/x-nonsense\r\n'), UNSCORED),
  vector('COMP-POST-UNSUPPORTED-CT', 'RFC 9110 15.5.16', KEEP_IN_STEP, post(`${LENGTH}Content-Type: application/x-nonsense\r\n`, BODY), { body: BODY, isScored: false }),
  vector('COMP-RANGE-POST', 'RFC 9110 14.2', serve(), post(`${LENGTH}Range: bytes=0-10\r\n`, BODY), SERVED),
  vector('COMP-RANGE-INVALID', 'RFC 9110 14.2', KEEP_IN_STEP, get('Range: bytes=abc-xyz\r\n'), UNSCORED),
  vector('COMP-EXPECT-UNKNOWN', 'RFC 9110 10.1.1', EXPECTATION, get('Expect: 200-ok\r\n'), NONE),
];

// biome-ignore format: a table reads best with one row a line.
const BODIES: readonly Http11Vector[] = [
  vector('RFC9112-6.1-CL-NON-NUMERIC', 'RFC 9112 6.3', refuse('400, then close', { closes: true }), post('Content-Length: abc\r\n')),
  vector('RFC9112-6.1-CL-PLUS-SIGN', 'RFC 9112 6.3', refuse('400, then close', { closes: true }), post('Content-Length: +5\r\n', BODY)),
  vector('COMP-UNKNOWN-TE-501', 'RFC 9112 6.1', refuse('501 or 400', { statuses: [400, 501] }), post('Transfer-Encoding: gzip\r\n')),
  vector('COMP-POST-CL-BODY', LENGTHS, serve(), post(LENGTH, BODY), SERVED),
  vector('COMP-POST-CL-ZERO', LENGTHS, serve(), post('Content-Length: 0\r\n'), NONE),
  vector('COMP-POST-NO-CL-NO-TE', 'RFC 9112 6.3', serve(), post(''), NONE),
  vector('COMP-POST-CL-UNDERSEND', LENGTHS, WAIT, post('Content-Length: 10\r\n', BODY)),
  vector('COMP-CHUNKED-BODY', CHUNK, serve(), chunks(), SERVED),
  vector('COMP-CHUNKED-MULTI', CHUNK, serve(), chunks(`5\r\n${BODY}\r\n6\r\n      \r\n${LAST_CHUNK}`), { body: `${BODY}      ` }),
  vector('COMP-CHUNKED-EMPTY', CHUNK, serve(), chunks(LAST_CHUNK), NONE),
  vector('COMP-CHUNKED-NO-FINAL', CHUNK, WAIT, chunks(`5\r\n${BODY}\r\n`)),
  vector('COMP-CHUNKED-EXTENSION', 'RFC 9112 7.1.1', serve('serve, the extension ignored', 'lenient'), chunks(`5;ext=value\r\n${BODY}\r\n${LAST_CHUNK}`), SERVED),
  vector('COMP-CHUNKED-TRAILER-VALID', 'RFC 9112 7.1.2', serve(), chunks(`5\r\n${BODY}\r\n0\r\nX-Checksum: abc\r\n\r\n`), SERVED),
  vector('COMP-CHUNKED-HEX-UPPERCASE', CHUNK, serve(), chunks(`A\r\n${BODY}${BODY}\r\n${LAST_CHUNK}`), { body: `${BODY}${BODY}` }),
  vector('COMP-GET-WITH-CL-BODY', 'RFC 9110 9.3.1', KEEP_IN_STEP, request('GET', LENGTH, BODY), { body: BODY, isScored: false }),
];

// biome-ignore format: a table reads best with one row a line.
const UPGRADES: readonly Http11Vector[] = [
  vector('COMP-UPGRADE-POST', 'RFC 6455 4.1', NO_UPGRADE, post(asUpgrade(13))),
  vector('COMP-UPGRADE-MISSING-CONN', UPGRADE, NO_UPGRADE, get(`Upgrade: websocket\r\n${websocket}13\r\n`)),
  vector('COMP-UPGRADE-UNKNOWN', UPGRADE, NO_UPGRADE, get('Connection: Upgrade\r\nUpgrade: made-up/1.0\r\n')),
  vector('COMP-UPGRADE-INVALID-VER', 'RFC 6455 4.4', NO_UPGRADE, get(asUpgrade(99))),
  vector('COMP-UPGRADE-HTTP10', UPGRADE, NO_UPGRADE, http10('GET', asUpgrade(13))),
  vector('COMP-CONNECTION-CLOSE', 'RFC 9112 9.3', serveAndClose('serve, then close'), get('Connection: close\r\n'), NONE),
  vector('COMP-HTTP10-DEFAULT-CLOSE', 'RFC 9112 9.3', serveAndClose('serve, then close'), http10('GET', ''), NONE),
  vector('COMP-HTTP10-NO-HOST', HOSTS, refuseOrServe('serve, or 400'), (id) => `GET /v1/echo?v=${id} HTTP/1.0\r\nX-Vector: ${id}\r\n\r\n`, UNSCORED),
  vector('COMP-NO-1XX-HTTP10', 'RFC 9110 15.2', NO_INTERIM, http10('POST', `Expect: 100-continue\r\n${LENGTH}`, BODY)),
];

// biome-ignore format: a table reads best with one row a line.
const METHODS: readonly Http11Vector[] = [
  vector('COMP-METHOD-CONNECT', 'RFC 9110 9.3.6', ODD_METHOD, (id) => `CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\nX-Vector: ${id}\r\n\r\n`),
  vector('COMP-METHOD-TRACE', 'RFC 9110 9.3.8', NO_TRACE, line('TRACE @ HTTP/1.1'), UNSCORED),
  vector('COMP-TRACE-WITH-BODY', 'RFC 9110 9.3.8', NO_TRACE, request('TRACE', LENGTH, BODY), { body: BODY, isScored: false }),
  vector('COMP-TRACE-SENSITIVE', 'RFC 9110 9.3.8', NO_TRACE, request('TRACE', 'Authorization: Bearer secret\r\n'), UNSCORED),
  vector('COMP-HEAD-NO-BODY', 'RFC 9110 9.3.2', serve(), request('HEAD', ''), { body: '', toHead: true }),
  vector('COMP-UNKNOWN-METHOD', 'RFC 9110 9.1', NAME_ALLOWED, request('FOOBAR', '')),
  vector('COMP-405-ALLOW', 'RFC 9110 15.5.6', NAME_ALLOWED, request('PROPFIND', '')),
  vector('COMP-DATE-HEADER', 'RFC 9110 6.6.1', serveWith('date', 'serve, with date'), get(), NONE),
  vector('COMP-DATE-FORMAT', 'RFC 9110 5.6.7', serveWith('date', 'date as in RFC 5322', /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/), get(), UNSCORED),
  vector('COMP-NO-CL-IN-204', 'RFC 9110 8.6', NO_LENGTH_IN_204, request('OPTIONS', 'X-Echo-Status: 204\r\n')),
  vector('COMP-OPTIONS-ALLOW', 'RFC 9110 9.3.7', serveWith('allow', 'serve, with the allow of the origin'), request('OPTIONS', '')),
  vector('COMP-CONTENT-TYPE', 'RFC 9110 8.3', serveWith('content-type', 'serve, with content-type'), get(), NONE),
];

export const COMPLIANCE_VECTORS: readonly Http11Vector[] = [
  ...LINES,
  ...HEADERS,
  ...BODIES,
  ...UPGRADES,
  ...METHODS,
];

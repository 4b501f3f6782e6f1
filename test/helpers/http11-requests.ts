/** Writes odd requests down. Every one says whose it is, in its target and in a header, so that it is found upstream. */

/** The bytes of a vector, one character a byte, once its id is known. */
export type Bytes = (id: string) => string;

export const HOST = 'Host: weir.test\r\n';
/** Five bytes of JSON. */
export const BODY = '"abc"';
export const CHUNKED = 'Transfer-Encoding: chunked\r\n';
export const LENGTH = `Content-Length: ${BODY.length}\r\n`;
const CHUNKED_BODY = `${BODY.length}\r\n${BODY}\r\n0\r\n\r\n`;
export const LAST_CHUNK = '0\r\n\r\n';

function target(id: string): string {
  return `/v1/echo?v=${id}`;
}

/** A request by its parts; `head` is what stands between the target and the end of the first line. */
export function request(method: string, lines: string, body: string | Bytes = ''): Bytes {
  return (id) => {
    const content = typeof body === 'string' ? body : body(id);
    return `${method} ${target(id)} HTTP/1.1\r\n${HOST}X-Vector: ${id}\r\n${lines}\r\n${content}`;
  };
}

export function get(lines = ''): Bytes {
  return request('GET', lines);
}

export function post(lines: string, body = ''): Bytes {
  return request('POST', lines, body);
}

/** A POST in chunks, by default one. */
export function chunks(body = CHUNKED_BODY, lines = ''): Bytes {
  return request('POST', `${CHUNKED}${lines}`, body);
}

/** With a first line of one's own; `@` stands for the target. */
export function line(firstLine: string, lines = '', host = HOST): Bytes {
  return (id) => `${firstLine.replace('@', target(id))}\r\n${host}X-Vector: ${id}\r\n${lines}\r\n`;
}

/** Instead of the one line `host`. */
export function withHost(host: string): Bytes {
  return (id) => `GET ${target(id)} HTTP/1.1\r\n${host}X-Vector: ${id}\r\n\r\n`;
}

/** As it stands; `@` stands for the target, the first one only. */
export function raw(text: string): Bytes {
  return (id) => text.replace('@', target(id)).replaceAll('{id}', id);
}

/** A whole request that nobody must execute. */
export function hiddenRequest(id: string, method = 'GET'): string {
  return `${method} /v1/smuggled?of=${id} HTTP/1.1\r\n${HOST}\r\n`;
}

/**
 * A POST in whose body another request is hidden.
 *
 * @param lines the framing, given the length of the whole body.
 * @param start of the body, before the hidden request; `end` comes behind it.
 */
export function hide(
  lines: (bodyBytes: number) => string,
  start = LAST_CHUNK,
  method = 'GET',
): Bytes {
  return (id) => {
    const body = `${start}${hiddenRequest(id, method)}`;
    return request('POST', lines(body.length), body)(id);
  };
}

/** The hidden request is the data of a chunk; the length ends before it. */
export function hideInChunk(): Bytes {
  return (id) => {
    const data = hiddenRequest(id);
    const size = `${data.length.toString(16)}\r\n`;
    const lines = `${CHUNKED}Content-Length: ${size.length}\r\n`;
    return request('POST', lines, `${size}${data}\r\n0\r\n\r\n`)(id);
  };
}

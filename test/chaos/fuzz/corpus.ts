/** What requests are mutated from: valid ones of every kind that Weir reads, and the vectors of request smuggling. */
import { loadDesyncVectors, renderDesyncVector } from '../../helpers/desync-vectors.js';
import { LAST_CHUNK, renderChunk, renderRequest } from '../../helpers/http-text.js';

const CHAT = '/v1/chat/completions';
const JSON_TYPE: [string, string] = ['content-type', 'application/json'];

function ask(target: string, body: object, ...headers: [string, string][]): Buffer {
  return renderRequest({ target, headers: [JSON_TYPE, ...headers], body: JSON.stringify(body) });
}

function upload(): Buffer {
  const body =
    '--cut\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n--cut\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nbytes\r\n--cut--\r\n';
  return renderRequest({
    target: '/v1/audio/transcriptions',
    headers: [['content-type', 'multipart/form-data; boundary=cut']],
    body,
  });
}

function chunked(): Buffer {
  const body = JSON.stringify({ model: 'm', stream: true, messages: [] });
  const head = `POST ${CHAT} HTTP/1.1\r\nhost: weir.test\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`;
  const pieces = [body.slice(0, 9), body.slice(9)].map((piece) => renderChunk(piece));
  return Buffer.concat([Buffer.from(head), ...pieces, LAST_CHUNK]);
}

const MESSAGES = [{ role: 'user', content: 'fuzz "é" \u2028 \\ud83d\\ude00' }];

export interface Corpus {
  readonly valid: readonly Buffer[];
  /** What requests are mutated from: the valid ones, and as many vectors. */
  readonly all: readonly Buffer[];
}

export function loadRequests(): Corpus {
  const chat = ask(CHAT, { model: 'm', messages: MESSAGES, max_tokens: 9 });
  const stream = ask(CHAT, { model: 'm', messages: MESSAGES, stream: true });
  const get = Buffer.from('GET /v1/models HTTP/1.1\r\nhost: weir.test\r\n\r\n');
  const valid = [
    chat,
    stream,
    ask(CHAT, { model: 'm', stream: true, stream_options: { include_usage: true } }),
    ask(CHAT, {
      messages: MESSAGES,
      tools: [{ type: 'function', function: { name: 'f' } }],
      model: 'm',
    }),
    ask('/v1/responses', { model: 'm', input: 'hello', stream: true, max_output_tokens: 5 }),
    ask('/v1/embeddings', { model: 'm', input: ['a', 'b'] }),
    ask('/v1/messages', { model: 'claude', max_tokens: 9, messages: MESSAGES, stream: true }),
    ask('/v1/messages', { model: 'claude', max_tokens: 9, system: 'x' }, [
      'anthropic-version',
      '2023-06-01',
    ]),
    ask(CHAT, { model: 'm' }, ['x-weir-timeout', '1500ms']),
    ask(CHAT, { model: 'm' }, ['authorization', 'Bearer wk-a-json'], ['x-weir-id', 'mine']),
    ask('/v1/unknown/path?a=b&c=%2F', { model: 'm' }),
    upload(),
    chunked(),
    get,
    Buffer.concat([get, chat]),
    Buffer.concat([chat, stream]),
    renderRequest({ target: '/v1/files/f/content', method: 'GET' }),
    renderRequest({ target: '/v1/files/f', method: 'DELETE' }),
  ];
  // As often in all as the vectors, of which there are many.
  const vectors = loadDesyncVectors().map((vector) =>
    renderDesyncVector(vector, { pathPrefix: '/v1' }),
  );
  const weight = Math.max(1, Math.round(vectors.length / valid.length));
  const weighted = Array.from({ length: weight }, () => valid).flat();
  return { valid, all: [...weighted, ...vectors.map(({ bytes }) => bytes)] };
}

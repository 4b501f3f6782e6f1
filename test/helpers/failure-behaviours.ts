/** For each row of the table of failure classes what a provider does, or is, that brings it about. */
import { ERROR_CODES } from '../../src/upstream/error-phrases.js';
import type { FailureClassName } from '../../src/upstream/failure-classes.js';
import type { ConfigText } from './gateway.js';
import { LAST_CHUNK, renderChunk, renderHead, renderJson } from './http-text.js';
import { rst, type Script, send, stall } from './mock-upstream.js';

export interface Behaviour {
  /** Tells it from others of the same class. */
  readonly what: string;
  /** What it does with every request; null: none comes to it. */
  readonly script: Script | null;
  /** Where it is to be found, if it is no scripted provider. */
  readonly at?: 'closed port' | 'no name' | 'untrusted TLS' | 'mute TLS' | 'full queue';
  /** What the configuration says beside the usual of its provider, and of its models. */
  readonly provider?: ConfigText;
  readonly model?: ConfigText;
}

/** What is waited for, so that waits are short and other steps are far from them on a slow machine. */
const SOON = '200ms';

const STREAM = renderHead('HTTP/1.1 200 OK', [
  ['content-type', 'text/event-stream'],
  ['transfer-encoding', 'chunked'],
]);
const ROLE = 'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n';
/** The credential that goes there is the caller's own. */
const PASSED_ON: ConfigText = { api_key: undefined };

function answer(status: number, code: string | null = null, message = 'not now'): Script {
  return [send(renderJson({ error: { message, type: 'x', code } }, { status }))];
}

function statuses(...list: readonly number[]): Behaviour[] {
  return list.map((status) => ({ what: `${status}`, script: answer(status) }));
}

/** A stream that is well by its status. */
function stream(...events: readonly string[]): Script {
  return [send(STREAM), ...events.map((event) => send(renderChunk(event))), send(LAST_CHUNK)];
}

function says(code: string, status = 400): Behaviour {
  if (!ERROR_CODES.has(code)) throw new Error(`nobody says ${code}`);
  return { what: `${status} ${code}`, script: answer(status, code) };
}

export const BEHAVIOURS: Readonly<
  Record<FailureClassName, readonly [Behaviour, ...(readonly Behaviour[])]>
> = {
  refused: [{ what: 'nobody listens', script: null, at: 'closed port' }],
  dns: [{ what: 'its name is none', script: null, at: 'no name' }],
  tls: [{ what: 'its certificate is its own', script: null, at: 'untrusted TLS' }],
  connect_timeout: [
    {
      what: 'it never shakes hands',
      script: null,
      at: 'mute TLS',
      provider: { timeouts: { connect: SOON } },
    },
  ],
  queue: [
    {
      what: 'its one connection is busy',
      script: [stall()],
      at: 'full queue',
      provider: { connections: { max: 1, queue: 0 } },
    },
  ],
  reset_before_head: [{ what: 'it resets', script: [rst()] }],
  reset_after_head: [
    { what: 'it resets after the head', script: [send(STREAM), rst()] },
    {
      what: 'it resets before content',
      script: [send(STREAM), send(renderChunk(ROLE)), rst()],
      provider: { timeouts: { first_token: '20s' } },
    },
  ],
  first_byte_timeout: [
    { what: 'it is silent', script: [stall()], provider: { timeouts: { first_byte: SOON } } },
  ],
  first_token_timeout: [
    {
      what: 'it announces content',
      script: [send(STREAM), send(renderChunk(ROLE)), stall()],
      provider: { timeouts: { first_token: SOON } },
    },
  ],
  idle_timeout: [
    {
      what: 'it falls silent after the head',
      script: [send('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n'), stall()],
      provider: { timeouts: { idle: SOON } },
    },
  ],
  whole_timeout: [
    { what: 'it is silent', script: [stall()], model: { timeouts: { whole: SOON } } },
  ],
  malformed: [{ what: 'it speaks SSH', script: [send('SSH-2.0-OpenSSH_9.2p1\r\n\r\n')] }],
  unauthorized: statuses(401) as [Behaviour],
  forbidden: statuses(403) as [Behaviour],
  no_credit: [...(statuses(402) as [Behaviour]), says('insufficient_quota', 429)],
  caller_refused: [
    { what: '401', script: answer(401), provider: PASSED_ON },
    { what: '402', script: answer(402), provider: PASSED_ON },
    { what: '403', script: answer(403), provider: PASSED_ON },
    { ...says('insufficient_quota', 429), provider: PASSED_ON },
  ],
  not_found: [...(statuses(404, 410, 501) as [Behaviour]), says('model_not_found', 403)],
  request_timeout: statuses(408) as [Behaviour],
  conflict: statuses(409) as [Behaviour],
  too_large: statuses(413) as [Behaviour],
  throttled: [
    ...(statuses(429) as [Behaviour]),
    {
      what: 'a limit within its stream',
      script: stream('data: {"error":{"code":"rate_limit_exceeded"}}\n\n'),
    },
  ],
  caller_throttled: [{ what: '429', script: answer(429), provider: PASSED_ON }],
  overloaded: [
    ...(statuses(503, 529, 498) as [Behaviour]),
    {
      what: 'Anthropic’s error first in its stream',
      script: stream(
        'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n',
      ),
    },
  ],
  server_error: [
    ...(statuses(500, 502, 504) as [Behaviour]),
    {
      what: 'OpenAI’s error first in its stream',
      script: stream('data: {"error":{"message":"x","type":"server_error"}}\n\n'),
    },
    {
      what: 'an error behind a role, held for its first token',
      script: stream(ROLE, 'data: {"error":{"message":"x","type":"server_error"}}\n\n'),
      provider: { timeouts: { first_token: '20s' } },
    },
  ],
  content_filter: [says('content_filter'), says('content_policy_violation', 403)],
  context_length: [says('context_length_exceeded'), says('context_length_exceeded', 413)],
  bad_request: statuses(400, 422, 415) as [Behaviour, Behaviour],
};

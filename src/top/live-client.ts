/** Asks a server's admin port: for its live samples, an event stream, and for the latencies of each target. */
import { readFileSync } from 'node:fs';
import { BOUNDS } from '../core/bounds.js';
import { OperatorError } from '../core/errors.js';
import type { LiveSample, LiveShape } from '../observe/live-sample.js';

export interface AdminPlace {
  /** Without a path. */
  readonly url: string;
  /** null: none is asked for. */
  readonly token: string | null;
}

export type LiveEvent =
  | { readonly kind: 'shape'; readonly shape: LiveShape }
  | { readonly kind: 'history'; readonly samples: readonly LiveSample[] }
  | { readonly kind: 'sample'; readonly sample: LiveSample };

/** Milliseconds, of the last minute. */
export interface TargetLatency {
  readonly p50: number;
  readonly p99: number;
}

/** @throws OperatorError where the file can't be read, or is empty. */
export function readToken(file: string): string {
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new OperatorError(`top: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!/^[\x21-\x7e]+$/.test(token)) throw new OperatorError(`top: ${file} holds no token`);
  return token;
}

/** Ends when the server does; @throws OperatorError for a refusal, and what fetch() throws. */
export async function* readLive(place: AdminPlace, signal: AbortSignal): AsyncGenerator<LiveEvent> {
  const response = await ask(place, '/api/live', signal);
  const decoder = new TextDecoder();
  let text = '';
  if (response.body === null) return;
  for await (const bytes of response.body) {
    text += decoder.decode(bytes as Uint8Array, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const event = readEvent(text.slice(0, end));
      if (event !== null) yield event;
      text = text.slice(end + 2);
    }
    if (text.length > BOUNDS.topEventBytesMax)
      throw new Error('an event of the server is too long');
  }
}

/** By `model` and `provider`, with a line break in between. */
export async function readLatencies(
  place: AdminPlace,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, TargetLatency>> {
  const response = await ask(place, '/api/histograms?window=1m', signal);
  const { series } = (await response.json()) as {
    readonly series: readonly (TargetLatency & {
      readonly measure: string;
      readonly model: string | null;
      readonly provider: string | null;
    })[];
  };
  return new Map(
    series
      .filter(({ measure }) => measure === 'duration')
      .map(({ model, provider, p50, p99 }) => [nameTarget(model, provider), { p50, p99 }]),
  );
}

export function nameTarget(model: string | null, provider: string | null): string {
  return `${model}\n${provider}`;
}

async function ask({ url, token }: AdminPlace, path: string, signal: AbortSignal) {
  const headers: Record<string, string> =
    token === null ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`${url}${path}`, { headers, signal });
  if (response.ok) return response;
  await response.body?.cancel();
  const why =
    response.status === 401
      ? token === null
        ? 'the admin port asks for its token; give it with --token-file FILE'
        : 'the admin port refuses this token'
      : `the admin port answered with ${response.status}`;
  throw new OperatorError(`top: ${why}`);
}

function readEvent(lines: string): LiveEvent | null {
  const [first = '', second = ''] = lines.split('\n');
  const data: unknown = JSON.parse(second.slice('data: '.length));
  switch (first.slice('event: '.length)) {
    case 'shape':
      return { kind: 'shape', shape: data as LiveShape };
    case 'history':
      return { kind: 'history', samples: data as readonly LiveSample[] };
    case 'sample':
      return { kind: 'sample', sample: data as LiveSample };
    default:
      return null;
  }
}

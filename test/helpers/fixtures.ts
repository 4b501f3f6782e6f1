/** Recorded streams, framed as their provider sends them; `need.ts` says what happens without them. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { choosePoints, type SplitOptions, splitAt } from './byte-splits.js';
import { FIXTURES } from './need.js';
import type { SeededRandom } from './seeded-random.js';

export type StreamFraming = 'openai-chat' | 'openai-responses' | 'anthropic' | 'gemini' | 'plain';

export interface ProviderStream {
  readonly provider: string;
  /** The file's name without its ending. */
  readonly name: string;
  readonly framing: StreamFraming;
  /** One JSON event each. */
  readonly events: readonly string[];
  /** As the provider sends it. */
  readonly sse: Buffer;
}

export function loadStreams(): ProviderStream[] {
  const folder = join(FIXTURES, 'provider-streams');
  return listFiles(folder, '.chunks.txt').map(({ provider, file }) => {
    const name = basename(file, '.chunks.txt');
    const events = readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line.trim() !== '');
    const framing = chooseFraming(provider, name);
    return { provider, name, framing, events, sse: frameAsSse(events, framing) };
  });
}

export interface RecordedJson {
  readonly provider: string;
  readonly name: string;
  readonly bytes: Buffer;
}

export function loadJsonAnswers(): RecordedJson[] {
  const folder = join(FIXTURES, 'provider-streams');
  return listFiles(folder, '.json').map(({ provider, file }) => ({
    provider,
    name: basename(file, '.json'),
    bytes: readFileSync(file),
  }));
}

/** The provider's bytes in careless pieces; together they are the stream again. */
export function splitStream(
  stream: ProviderStream,
  random: SeededRandom,
  options: SplitOptions = {},
): Buffer[] {
  return splitAt(stream.sse, choosePoints(stream.sse, random, options));
}

export function frameAsSse(events: readonly string[], framing: StreamFraming): Buffer {
  const lineEnd = framing === 'gemini' ? '\r\n' : '\n';
  const isNamed = framing === 'anthropic' || framing === 'openai-responses';
  const blocks = events.map((event) => {
    const type = isNamed ? readType(event) : null;
    const name = type === null ? '' : `event: ${type}${lineEnd}`;
    return `${name}data: ${event}${lineEnd}${lineEnd}`;
  });
  if (framing === 'openai-chat') blocks.push('data: [DONE]\n\n');
  return Buffer.from(blocks.join(''), 'utf8');
}

function chooseFraming(provider: string, name: string): StreamFraming {
  if (provider === 'anthropic') return 'anthropic';
  if (provider === 'google') return 'gemini';
  if (name.startsWith('responses__')) return 'openai-responses';
  return name.startsWith('speech-translation__') ? 'plain' : 'openai-chat';
}

function readType(event: string): string | null {
  try {
    const value: unknown = JSON.parse(event);
    if (typeof value !== 'object' || value === null || !('type' in value)) return null;
    return typeof value.type === 'string' ? value.type : null;
  } catch {
    return null;
  }
}

function listFiles(folder: string, ending: string): { provider: string; file: string }[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name: provider }) =>
      readdirSync(join(folder, provider))
        .filter((file) => file.endsWith(ending))
        .sort()
        .map((file) => ({ provider, file: join(folder, provider, file) })),
    );
}

/**
 * Reads the live samples: an event stream, by fetch() and not by EventSource, because that can send no credential. It comes
 * again by itself when it breaks off, at growing intervals, and asks for the admin token where one is wanted.
 */
import type { LiveSample, LiveShape } from '../observe/live-sample.js';

export interface StreamEvents {
  onShape(shape: LiveShape): void;
  onHistory(samples: readonly LiveSample[]): void;
  onSample(sample: LiveSample): void;
  onState(state: 'live' | 'lost', words: string): void;
  /** The server wants a token, or another one; resolves with what the operator typed. */
  askToken(isWrong: boolean): Promise<string>;
}

const TOKEN_KEY = 'weir-admin-token';
const WAIT_MS_MIN = 500;
const WAIT_MS_MAX = 5000;

/** Of the session, for as long as the tab is open. */
export function authorize(): Record<string, string> {
  const token = sessionStorage.getItem(TOKEN_KEY);
  return token === null ? {} : { authorization: `Bearer ${token}` };
}

export async function readLive(events: StreamEvents): Promise<never> {
  let waitMs = WAIT_MS_MIN;
  for (;;) {
    try {
      const response = await fetch('/api/live', { headers: authorize(), cache: 'no-store' });
      if (response.status === 401 || response.status === 403) {
        const isWrong = sessionStorage.getItem(TOKEN_KEY) !== null;
        sessionStorage.setItem(TOKEN_KEY, await events.askToken(isWrong));
        continue;
      }
      if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
      events.onState('live', 'live');
      waitMs = WAIT_MS_MIN;
      await readEvents(response.body, events);
      events.onState('lost', 'the server ended the stream; connecting again …');
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      events.onState('lost', `no connection (${words}); trying again …`);
    }
    const pauseMs = waitMs;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    waitMs = Math.min(waitMs * 2, WAIT_MS_MAX);
  }
}

async function readEvents(body: ReadableStream<Uint8Array>, events: StreamEvents): Promise<void> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      takeEvent(text.slice(0, end), events);
      text = text.slice(end + 2);
    }
  }
}

function takeEvent(lines: string, events: StreamEvents): void {
  const [first = '', second = ''] = lines.split('\n');
  const name = first.slice('event: '.length);
  const data: unknown = JSON.parse(second.slice('data: '.length));
  if (name === 'shape') events.onShape(data as LiveShape);
  else if (name === 'history') events.onHistory(data as readonly LiveSample[]);
  else if (name === 'sample') events.onSample(data as LiveSample);
}

/** Says slowly, with JSON.parse, at which event of a stream content begins; relay/first-token.ts is held against it. */

const OPENING_TYPES = /(?:^|[._-])(?:start|created|queued|progress|added|update|ping|keepalive)$/;
const WAITING_TYPES = /(?:^|[._-])(?:searching|interpreting|generating|delta)$/;
const ENDING_TYPES = /(?:^|[._-])(?:done|stop|image)$/;
const TYPE_NAMES = ['type', 'event_type', 'mimeType'];
const UNRECOGNISED_MAX = 3;

type Members = Readonly<Record<string, unknown>>;

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Anything but an empty text, a role or a type. */
function holdsText(value: unknown): boolean {
  if (typeof value === 'string') return value !== '';
  if (Array.isArray(value))
    return value.some((entry) => typeof entry === 'object' && holdsText(entry));
  if (!isMembers(value)) return false;
  return Object.entries(value).some(
    ([name, entry]) =>
      (typeof entry !== 'string' || (name !== 'role' && !TYPE_NAMES.includes(name))) &&
      holdsText(entry),
  );
}

function listMembers(value: unknown): Members[] {
  return Array.isArray(value) ? value.filter(isMembers) : [];
}

function judge(data: string): 'content' | 'opener' | 'unknown' {
  let event: unknown;
  try {
    event = JSON.parse(data);
  } catch {
    return 'unknown';
  }
  if (!isMembers(event)) return 'unknown';
  const choices = listMembers(event['choices']);
  const places = [
    event['delta'],
    ...choices.flatMap((choice) => [choice['delta'], choice['text']]),
    ...listMembers(event['candidates']).map((candidate) => candidate['content']),
  ];
  if (places.some(holdsText)) return 'content';
  const types = Object.entries(event).filter(([name]) => TYPE_NAMES.includes(name));
  const type = String(types.findLast(([, value]) => typeof value === 'string')?.[1] ?? '');
  if (OPENING_TYPES.test(type) || WAITING_TYPES.test(type)) return 'opener';
  if (ENDING_TYPES.test(type)) return 'content';
  if (!Array.isArray(event['choices'])) return 'unknown';
  return choices.some(({ finish_reason: reason }) => typeof reason === 'string' && reason !== '')
    ? 'unknown'
    : 'opener';
}

/** The number of the event, from 0; -1 where the stream never begins. */
export function findFirstTokenSlowly(events: readonly string[]): number {
  let unrecognised = 0;
  for (const [number, data] of events.entries()) {
    const verdict = judge(data);
    if (verdict === 'content') return number;
    if (verdict === 'unknown') unrecognised += 1;
    if (unrecognised === UNRECOGNISED_MAX) return number;
  }
  return -1;
}

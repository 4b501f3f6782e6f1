/**
 * What was asked and answered, as the attributes `gen_ai.input.messages` and `gen_ai.output.messages` hold it: JSON of
 * roles and parts. Only where `traces.content` asks for it, and only of JSON that is known whole.
 */
import {
  ATTR_GEN_AI_INPUT_MESSAGES,
  ATTR_GEN_AI_OUTPUT_MESSAGES,
  ATTR_GEN_AI_RESPONSE_FINISH_REASONS,
  ATTR_GEN_AI_SYSTEM_INSTRUCTIONS,
} from '@opentelemetry/semantic-conventions/incubating';
import type { TraceRecord } from '../observe/trace-record.js';

type Json = Readonly<Record<string, unknown>>;
interface Part {
  readonly type: string;
  readonly content?: unknown;
}

export function readMessages({
  request,
  response,
  isStream,
}: Pick<TraceRecord, 'request' | 'response' | 'isStream'>): Readonly<
  Record<string, string | string[]>
> {
  const asked = parse(request);
  const answers = isStream ? readEvents(response) : [parse(response)].filter((one) => one !== null);
  const found: Record<string, string | string[]> = {};
  if (asked !== null) {
    const messages = listOf(asked['messages'] ?? asked['input']).map(describeMessage);
    if (messages.length > 0) found[ATTR_GEN_AI_INPUT_MESSAGES] = JSON.stringify(messages);
    if (asked['system'] !== undefined) {
      found[ATTR_GEN_AI_SYSTEM_INSTRUCTIONS] = JSON.stringify(describeParts(asked['system']));
    }
  }
  const { text, reasons } = readAnswer(answers);
  if (text !== '') {
    const parts = [{ type: 'text', content: text }];
    const finish = reasons[0] === undefined ? {} : { finish_reason: reasons[0] };
    found[ATTR_GEN_AI_OUTPUT_MESSAGES] = JSON.stringify([{ role: 'assistant', parts, ...finish }]);
  }
  if (reasons.length > 0) found[ATTR_GEN_AI_RESPONSE_FINISH_REASONS] = reasons;
  return found;
}

/** The text of a whole answer, or of a stream's events in turn; in the shapes of chat completions and messages. */
function readAnswer(documents: readonly Json[]): { text: string; reasons: string[] } {
  let text = '';
  const reasons: string[] = [];
  const note = (reason: unknown): void => {
    if (typeof reason === 'string') reasons.push(reason);
  };
  for (const document of documents) {
    for (const choice of listOf(document['choices'])) {
      const message = asObject(choice['message'] ?? choice['delta']);
      text += asText(message['content']) + asText(choice['text']);
      note(choice['finish_reason']);
    }
    for (const block of listOf(document['content'])) text += asText(block['text']);
    const delta = asObject(document['delta']);
    text += asText(delta['text']);
    note(document['stop_reason'] ?? delta['stop_reason']);
  }
  return { text, reasons };
}

function describeMessage(message: Json): object {
  return { role: asText(message['role']) || 'user', parts: describeParts(message['content']) };
}

function describeParts(content: unknown): Part[] {
  if (typeof content === 'string') return [{ type: 'text', content }];
  return listOf(content).map((part) => {
    const type = asText(part['type']) || 'text';
    // Images and files are named, not shown.
    return part['text'] === undefined ? { type } : { type, content: part['text'] };
  });
}

function readEvents(body: string | null): Json[] {
  if (body === null) return [];
  return toText(body)
    .split(/\r\n|\r|\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => parseText(line.slice('data:'.length)))
    .filter((one) => one !== null);
}

function parse(body: string | null): Json | null {
  return body === null ? null : parseText(toText(body));
}

function toText(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}

function parseText(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asObject(value: unknown): Json {
  return isObject(value) ? value : {};
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The objects of a list; a text stands for a message of the user's. */
function listOf(value: unknown): Json[] {
  if (typeof value === 'string') return [{ role: 'user', content: value }];
  return Array.isArray(value) ? value.filter(isObject) : [];
}

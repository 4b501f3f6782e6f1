/** What a provider, or a model that a stranger talks to, can write where usage is looked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import type { Usage } from '../../../src/core/usage.js';
import { Meter } from '../../../src/relay/meter.js';
import { UsageTap } from '../../../src/relay/usage-tap.js';
import { splitAt } from '../../helpers/byte-splits.js';
import { frameAsSse, loadStreams } from '../../helpers/fixtures.js';
import { hasFixtures, skipUnless } from '../../helpers/need.js';

function tapPieces(pieces: readonly Buffer[], isEventStream: boolean): UsageTap {
  const tap = new UsageTap(isEventStream);
  for (const piece of pieces) tap.take(piece);
  return tap;
}

/** Reads the same in one piece, byte by byte and in two halves, or fails. */
function read(text: string, isEventStream: boolean): Usage | null {
  const bytes = Buffer.from(text);
  const whole = tapPieces([bytes], isEventStream).usage;
  const single = splitAt(bytes, [...bytes.keys()]);
  assert.deepEqual(tapPieces(single, isEventStream).usage, whole, `byte by byte: ${text}`);
  const atOnce = new Meter(isEventStream, bytes.length, false);
  atOnce.take(bytes, []);
  if (isEventStream || isJson(text)) assert.deepEqual(atOnce.usage, whole, `at once: ${text}`);
  const halves = splitAt(bytes, [bytes.length >> 1]);
  assert.deepEqual(tapPieces(halves, isEventStream).usage, whole, `in halves: ${text}`);
  return whole;
}

/** Where usage stands in what is no JSON is told from its end otherwise than from its beginning; both are right. */
function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function inputOf(text: string, isEventStream = false): number | null {
  return read(text, isEventStream)?.inputTokens ?? null;
}

const FAKE = '"usage":{"prompt_tokens":666}';

test('a usage that stands deeper, in text or in a tool’s arguments is not the provider’s', () => {
  const fakes = [
    `{"choices":[{${FAKE}}]}`,
    `{"choices":[{"message":{${FAKE}}}]}`,
    `{"metadata":{${FAKE}}}`,
    `{"content":[{"type":"tool_use","input":{${FAKE}}}]}`,
    `{"content":${JSON.stringify(`{${FAKE}}`)}}`,
    `{"a\\"usage":{"prompt_tokens":666}}`,
    `{"a\\":{${FAKE.replaceAll('"', '\\"')}`,
    `{"content":"\\\\\\",${FAKE.replaceAll('"', '\\"')}"}`,
    `{"response":{"metadata":{${FAKE}}}}`,
    `{"response":[{${FAKE}}]}`,
    `{"message":{"content":[{${FAKE}}]}}`,
    `{"x":{"response":{${FAKE}}}}`,
    `{"delta":{${FAKE}}}`,
    `{"copilot_${FAKE.slice(1)}}`,
    `{"Usage":{"prompt_tokens":666}}`,
    `{"usag\\u0065":{"prompt_tokens":666}}`,
    `{"usage":[{"prompt_tokens":666}]}`,
    `{"usage":"{\\"prompt_tokens\\":666}"}`,
    `{"a":"usage","b":{"prompt_tokens":666}}`,
    `{"usage_":{"prompt_tokens":666}}`,
    `"usage":{"prompt_tokens":666}`,
    `{}${FAKE}`,
    `{"a":1},{${FAKE}}`,
  ];
  for (const fake of fakes) {
    assert.equal(inputOf(fake), null, fake);
    assert.equal(inputOf(`data: ${fake}\n\n`, true), null, fake);
  }
  for (const fake of fakes.filter((text) => text.startsWith('{') && text.endsWith(']}'))) {
    const both = `${fake.slice(0, -1)},"usage":{"prompt_tokens":7}}`;
    assert.equal(inputOf(both), 7, both);
    assert.equal(inputOf(`data: ${both}\n\n`, true), 7, both);
  }
});

test('figures that are no whole numbers from 0 to 2^40 count as not said, each for itself', () => {
  const bad = [
    '-1',
    '1.5',
    '1e13',
    '1099511627777',
    '"7"',
    'null',
    'true',
    '[7]',
    '{"a":7}',
    '1e999',
  ];
  for (const figure of bad) {
    assert.equal(inputOf(`{"usage":{"prompt_tokens":${figure}}}`), null, figure);
    const other = read(`{"usage":{"prompt_tokens":${figure},"completion_tokens":3}}`, false);
    assert.deepEqual([other?.inputTokens, other?.outputTokens], [0, 3], figure);
    const details = `{"usage":{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":${figure}}}}`;
    assert.equal(read(details, false)?.cachedInputTokens, 0, figure);
  }
  assert.equal(inputOf('{"usage":{"prompt_tokens":1099511627776}}'), 2 ** 40);
  assert.equal(inputOf('{"usage":{"prompt_tokens":0}}'), 0);
  assert.equal(inputOf('{"usage":{"prompt_tokens":1,"prompt_tokens":2}}'), 2);
  assert.equal(inputOf('{"usage":{"prompt_tokens":1},"usage":{"prompt_tokens":2}}'), 2);
});

test('a bad figure does not take away a good one that was said before', () => {
  const events = [
    '{"type":"message_start","message":{"usage":{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":1}}}',
    '{"type":"message_delta","usage":{"input_tokens":-4,"output_tokens":20}}',
    '{"type":"message_delta","usage":{"output_tokens":null}}',
    '{"type":"message_delta","usage":null}',
  ];
  const usage = read(frameAsSse(events, 'anthropic').toString(), true);
  assert.deepEqual(
    [usage?.inputTokens, usage?.outputTokens, usage?.cachedInputTokens],
    [15, 20, 5],
  );
});

test('JSON that is broken, nested without end or cut off never throws', () => {
  const broken = [
    '{"usage":{"prompt_tokens":1',
    '{"usage":{prompt_tokens:1}}',
    '{"usage":{"prompt_tokens":01}}',
    '{"usage":{]}',
    '}}}}]]]',
    ',,,:::""""\\\\',
    '{"usage":}',
    '{"usage"',
    `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
    `{"usage":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`,
    '',
    '\u0000\ufffd',
  ];
  for (const text of broken) {
    assert.equal(inputOf(text), null);
    assert.equal(inputOf(`data: ${text}\n\n`, true), null);
    // An event that is broken does not spoil the next.
    assert.equal(
      inputOf(`data: ${text}\n\ndata: {"usage":{"prompt_tokens":7}}\n\n`, true),
      7,
      text.slice(0, 40),
    );
  }
});

test('a usage object larger than its bound counts as none, and the next is read', () => {
  const large = `{"usage":{"prompt_tokens":5,"x":"${'x'.repeat(BOUNDS.usageObjectBytesMax)}"}}`;
  assert.equal(inputOf(large), null);
  assert.equal(inputOf(`data: ${large}\n\ndata: {"usage":{"prompt_tokens":7}}\n\n`, true), 7);
});

test('lines end with LF, CR LF or CR, and all that the event stream format allows is understood', () => {
  const event = '{"usage":{"prompt_tokens":7}}';
  for (const end of ['\n', '\r\n', '\r']) {
    const streams = [
      `data: ${event}${end}${end}`,
      `data:${event}${end}${end}`,
      `\ufeffdata: ${event}${end}${end}`,
      `: comment "usage":{"prompt_tokens":1}${end}${end}data: ${event}${end}${end}`,
      `id: 1${end}event: x${end}retry: 3${end}data: ${event}${end}${end}`,
      `data: {"usage":${end}data:{"prompt_tokens":${end}data:   7}}${end}${end}`,
      `data${end}data: ${event}${end}${end}`,
      `${end}${end}data: ${event}${end}${end}${end}`,
      `data: {"a":"never ends${end}${end}data: ${event}${end}${end}data: [DONE]${end}${end}`,
      // More than is read for the estimate, so that most are passed over.
      `${`data: {"choices":[{"delta":{"content":"x"}}]}${end}${end}`.repeat(40)}data: ${event}${end}${end}`,
    ];
    for (const stream of streams) assert.equal(inputOf(stream, true), 7, JSON.stringify(stream));
    const nots = [
      `Data: ${event}${end}${end}`,
      `dat: ${event}${end}${end}`,
      ` data: ${event}${end}${end}`,
    ];
    for (const stream of nots) assert.equal(inputOf(stream, true), null, JSON.stringify(stream));
  }
});

test('Gemini’s stream that is one JSON array is read to its last element', () => {
  const element = (count: number): string =>
    `{"candidates":[{"content":{${FAKE}}}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":${count}}}`;
  const usage = read(`[${element(1)}\n,\n${element(9)}]`, false);
  assert.deepEqual([usage?.inputTokens, usage?.outputTokens], [4, 9]);
});

test('each dialect’s figures get the one meaning', () => {
  const cases: readonly (readonly [string, Partial<Usage>])[] = [
    [
      '{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":40,"audio_tokens":10},"completion_tokens_details":{"reasoning_tokens":20,"audio_tokens":5}}',
      {
        inputTokens: 100,
        outputTokens: 50,
        cachedInputTokens: 40,
        reasoningTokens: 20,
        audioInputTokens: 10,
        audioOutputTokens: 5,
      },
    ],
    [
      '{"prompt_tokens":12,"completion_tokens":1,"total_tokens":303,"completion_tokens_details":{"reasoning_tokens":290}}',
      { inputTokens: 12, outputTokens: 291, reasoningTokens: 290 },
    ],
    [
      '{"input_tokens":10,"cache_read_input_tokens":20,"cache_creation_input_tokens":30,"output_tokens":5,"output_tokens_details":{"thinking_tokens":2}}',
      {
        inputTokens: 60,
        outputTokens: 5,
        cachedInputTokens: 20,
        cacheWriteTokens: 30,
        reasoningTokens: 2,
      },
    ],
    [
      '{"input_tokens":6,"output_tokens":2,"iterations":[{"type":"message","input_tokens":6,"output_tokens":2},{"type":"compaction","input_tokens":60,"output_tokens":20},{"type":"advisor_message","input_tokens":600,"output_tokens":200}]}',
      { inputTokens: 666, outputTokens: 222 },
    ],
    [
      '{"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":8}',
      { inputTokens: 10, outputTokens: 5, cachedInputTokens: 8 },
    ],
    [
      '{"input_tokens":10,"input_token_details":{"audio_tokens":9},"output_tokens":5}',
      { audioInputTokens: 9 },
    ],
  ];
  for (const [text, expected] of cases) {
    const usage = read(`{"usage":${text}}`, false);
    for (const [name, figure] of Object.entries(expected)) {
      assert.equal(usage?.[name as keyof Usage], figure, `${name} of ${text}`);
    }
  }
  const gemini = read(
    '{"usageMetadata":{"promptTokenCount":10,"toolUsePromptTokenCount":3,"candidatesTokenCount":5,"thoughtsTokenCount":7,"cachedContentTokenCount":4,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":6},{"modality":"TEXT","tokenCount":4}]}}',
    false,
  );
  assert.deepEqual(gemini, {
    inputTokens: 13,
    outputTokens: 12,
    cachedInputTokens: 4,
    cacheWriteTokens: 0,
    reasoningTokens: 7,
    audioInputTokens: 6,
    audioOutputTokens: 0,
  });
});

test('a stream that says no usage is estimated by its text: a token an event, or for each four bytes', () => {
  const events = Array.from(
    { length: 200 },
    () => '{"choices":[{"index":0,"delta":{"content":"ab"}}]}',
  );
  const short = tapPieces([frameAsSse(events, 'openai-chat')], true);
  assert.equal(short.usage, null);
  assert.ok(Math.abs(short.estimateDelivered() - 200) <= 20, String(short.estimateDelivered()));
  const text = 'x'.repeat(400);
  const long = Array.from(
    { length: 50 },
    () => `{"type":"content_block_delta","delta":{"type":"text_delta","text":"${text}"}}`,
  );
  const dense = tapPieces([frameAsSse(long, 'anthropic')], true);
  assert.equal(dense.eventCount, 50);
  assert.equal(dense.contentBytes, 20_000);
  assert.equal(dense.estimateDelivered(), 5000);
  assert.equal(
    tapPieces(
      [Buffer.from('{"choices":[{"message":{"content":"12345678"')],
      false,
    ).estimateDelivered(),
    2,
  );
  assert.equal(tapPieces([], true).estimateDelivered(), 0);
});

test('the estimate of a recorded chat comes within a third, or 30, of what its provider says', {
  skip: skipUnless(hasFixtures, 'the fixtures'),
}, (t) => {
  for (const { name, sse } of loadStreams()) {
    const tap = tapPieces([sse], true);
    const { usage } = tap;
    if (usage === null || !/-text$/.test(name)) continue;
    const visible = usage.outputTokens;
    t.diagnostic(
      `${name}: ${tap.estimateDelivered()} for ${visible}, of them ${usage.reasoningTokens} reasoning`,
    );
    if (usage.reasoningTokens > 0 || visible < 30) continue;
    assert.ok(Math.abs(tap.estimateDelivered() - visible) <= visible / 3, name);
  }
});

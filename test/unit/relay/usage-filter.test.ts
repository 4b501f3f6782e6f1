/** What Weir asked for and the client did not is taken out of a stream; every other byte stays. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageFilter } from '../../../src/relay/usage-filter.js';
import { UsageTap } from '../../../src/relay/usage-tap.js';
import { choosePoints, splitAt } from '../../helpers/byte-splits.js';
import { frameAsSse, loadStreams } from '../../helpers/fixtures.js';
import { hasFixtures, skipUnless } from '../../helpers/need.js';
import { createRandom } from '../../helpers/seeded-random.js';
import { parseEvent, readUsageSlowly } from '../../helpers/usage-oracle.js';

interface Filtered {
  readonly bytes: Buffer;
  readonly filter: UsageFilter;
  readonly tap: UsageTap;
}

function filterAll(pieces: readonly Buffer[]): Filtered {
  const tap = new UsageTap(true);
  const filter = new UsageFilter(tap);
  const all: Buffer[] = [];
  for (const piece of pieces) {
    const lent = Buffer.from(piece);
    const kept: Buffer[] = [];
    filter.take(lent, kept);
    all.push(Buffer.concat(kept));
    // The piece's memory is used again; what the filter holds back must be its own.
    lent.fill(0x7d);
  }
  const rest = filter.flush();
  if (rest !== null) all.push(rest);
  return { bytes: Buffer.concat(all), filter, tap };
}

function filterText(text: string): string {
  return filterAll([Buffer.from(text)]).bytes.toString('utf8');
}

function checkEverySplit(asked: Buffer, expected: Buffer): void {
  const check = (pieces: readonly Buffer[], where: string): void => {
    assert.equal(filterAll(pieces).bytes.toString('utf8'), expected.toString('utf8'), where);
  };
  check([asked], 'in one piece');
  if (asked.length <= 20_000) check(splitAt(asked, [...asked.keys()]), 'byte by byte');
  if (asked.length <= 4000) {
    for (let at = 1; at < asked.length; at += 1) {
      check([asked.subarray(0, at), asked.subarray(at)], `split at ${at}`);
    }
  }
  const random = createRandom();
  for (let round = 0; round < 10; round += 1) {
    const meanBytes = random.pick([30, 300, 3000]);
    check(splitAt(asked, choosePoints(asked, random, { meanBytes })), `seed ${random.seed}`);
  }
}

const HEAD = '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1';
const FIGURES = '{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}';
const DELTAS = ['{"role":"assistant","content":""}', '{"content":"Grüße, \\"usage\\":null"}', '{}'];

interface Style {
  readonly what: string;
  readonly asked: readonly string[];
  readonly unasked: readonly string[];
}

function choice(delta: string): string {
  return `[{"index":0,"delta":${delta},"finish_reason":null}]`;
}

const STYLES: readonly Style[] = [
  {
    what: 'as the last member',
    asked: [
      ...DELTAS.map((delta) => `${HEAD},"choices":${choice(delta)},"usage":null}`),
      `${HEAD},"choices":[],"usage":${FIGURES}}`,
    ],
    unasked: DELTAS.map((delta) => `${HEAD},"choices":${choice(delta)}}`),
  },
  {
    what: 'before padding',
    asked: [
      ...DELTAS.map(
        (delta) => `${HEAD},"choices":${choice(delta)},"usage":null,"obfuscation":"a}b\\"{"}`,
      ),
      `${HEAD},"choices":[],"usage":${FIGURES},"obfuscation":"x"}`,
    ],
    unasked: DELTAS.map((delta) => `${HEAD},"choices":${choice(delta)},"obfuscation":"a}b\\"{"}`),
  },
  {
    what: 'as the first member',
    asked: [
      ...DELTAS.map((delta) => `{"usage":null,"choices":${choice(delta)}}`),
      `{"usage":${FIGURES},"choices":[]}`,
    ],
    unasked: DELTAS.map((delta) => `{"choices":${choice(delta)}}`),
  },
  {
    what: 'with spaces, as Python writes it',
    asked: [
      ...DELTAS.map((delta) => `{"id": "1", "choices": ${choice(delta)}, "usage": null, "x": 1}`),
      ...DELTAS.map((delta) => `{"usage": null, "choices": ${choice(delta)}}`),
      `{"id": "1", "choices": [ ], "usage": ${FIGURES}}`,
    ],
    unasked: [
      ...DELTAS.map((delta) => `{"id": "1", "choices": ${choice(delta)}, "x": 1}`),
      ...DELTAS.map((delta) => `{"choices": ${choice(delta)}}`),
    ],
  },
];

for (const { what, asked, unasked } of STYLES) {
  test(`usage ${what} is taken out, at every split, whatever ends a line`, () => {
    for (const lineEnd of ['\n', '\r\n', '\r']) {
      const frame = (events: readonly string[]): Buffer =>
        Buffer.from(frameAsSse(events, 'openai-chat').toString('utf8').replaceAll('\n', lineEnd));
      checkEverySplit(frame(asked), frame(unasked));
      const { tap, filter } = filterAll([frame(asked)]);
      assert.equal(tap.usage?.outputTokens, 2);
      assert.equal(filter.sendsUsageAnyway, false);
    }
  });
}

test('recorded streams come out as their providers would have sent them unasked, and are still read', {
  skip: skipUnless(hasFixtures, 'the fixtures'),
}, () => {
  let changed = 0;
  for (const { name, framing, events, sse } of loadStreams()) {
    const unasked = events.flatMap((text) => {
      const event = parseEvent(text) as { usage?: unknown; choices?: unknown };
      const isEmpty = Array.isArray(event.choices) && event.choices.length === 0;
      if (isEmpty && typeof event.usage === 'object' && event.usage !== null) return [];
      if (event.usage !== null) return [text];
      assert.equal(text.split(',"usage":null').length, 2, 'one member to cut');
      return [text.replace(',"usage":null', '')];
    });
    const expected = frameAsSse(unasked, framing);
    if (!expected.equals(sse)) changed += 1;
    checkEverySplit(sse, expected);
    const { tap } = filterAll([sse]);
    assert.deepEqual(tap.usage, readUsageSlowly(events.map(parseEvent)), name);
  }
  assert.ok(changed >= 6, `only ${changed} streams had anything to take out`);
});

test('usage that is not the whole event’s stays', () => {
  const texts = [
    `data: ${HEAD},"choices":[{"delta":{"usage":null}}]}\n\n`,
    `data: ${HEAD},"choices":[{"usage":null}]}\n\n`,
    `data: ${HEAD},"choices":[],"x":{"a":1,"usage":null}}\n\n`,
    `data: ${HEAD},"choices":[],"x":[{"choices":[],"usage":${FIGURES}}]}\n\n`,
    `data: {"choices":[{"delta":{"content":"a"}}],"usage":${FIGURES}}\n\n`,
    `data: {"choices":[],"usage":"none"}\n\n`,
    `data: {"choices":[],"usage":nullx}\n\n`,
    `data: {"choices":{},"usage":${FIGURES}}\n\n`,
    `data: {"usage":${FIGURES}}\n\n`,
    ': "usage":null is a comment\n\n',
    'event: "usage":null\nid: ,"usage":null}\n\n',
    `data: {"a":1,"usage":null`,
    `data: {"a":1,"usage":null\n\n`,
    'data: [DONE]\n\n',
    `data: {"choices":[],"usage":${FIGURES},"usage":null}\n\n`,
  ];
  for (const text of texts) assert.equal(filterText(text), text);
  assert.equal(filterText(texts.join('')), texts.join(''));
});

test('an event without data is not judged by the event before it', () => {
  const removed = `data: {"choices":[],"usage":${FIGURES}}\n\n`;
  const comment = ': "usage"\n\n';
  assert.equal(filterText(removed + comment), comment);
});

test('two figures in one event, one of them null: the member that is null is left where it can’t be told apart', () => {
  const text = `data: {"choices":[],"usage":null,"usage":null}\n\n`;
  assert.equal(filterText(text), text);
});

test('an event in several data lines is filtered as one document', () => {
  const asked = `data: {"choices":\ndata: [],\ndata: "usage":${FIGURES}}\n\ndata: [DONE]\n\n`;
  assert.equal(filterText(asked), 'data: [DONE]\n\n');
});

test('a provider that sends usage with its last choice is known for it, and nothing is taken out', () => {
  const text = `data: {"choices":[{"delta":{}}],"usage":${FIGURES}}\n\n`;
  const { filter, bytes } = filterAll([Buffer.from(text)]);
  assert.equal(filter.sendsUsageAnyway, true);
  assert.equal(bytes.toString(), text);
});

test('whole events go on at once as views of the piece, and only the part of one is held', () => {
  const filter = new UsageFilter(new UsageTap(true));
  const whole = 'data: {"choices":[{"delta":{"content":"a"}}]}\n\n';
  const piece = Buffer.from(`${whole}${whole}data: {"cho`);
  const kept: Buffer[] = [];
  filter.take(piece, kept);
  assert.equal(kept.length, 1);
  assert.equal(kept[0]?.toString(), whole + whole);
  assert.equal(kept[0]?.buffer, piece.buffer);
  assert.equal(filter.flush()?.toString(), 'data: {"cho');
  assert.equal(filter.flush(), null);
});

test('an event longer than what is held goes on as it is, and those after it are filtered again', () => {
  const long = `data: {"choices":[{"delta":{"content":"${'x'.repeat(150_000)}"}}],"usage":null}\n\n`;
  const asked = `data: {"choices":[1],"usage":null}\n\n`;
  const all = Buffer.from(long + asked + asked);
  const expected = `${long}${'data: {"choices":[1]}\n\n'.repeat(2)}`;
  for (const step of [1000, 16_384, 70_000]) {
    const points = Array.from({ length: 200 }, (_, index) => (index + 1) * step);
    assert.equal(filterAll(splitAt(all, points)).bytes.toString(), expected, `pieces of ${step}`);
  }
});

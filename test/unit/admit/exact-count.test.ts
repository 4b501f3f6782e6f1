/** The counting pool, on real threads: it counts, it gives up within its bounds, and it ends. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { TokenCounter } from '../../../src/admit/exact-count.js';
import { BOUNDS } from '../../../src/core/bounds.js';

/** Long enough for a thread that loads its vocabulary on a busy machine. */
const PATIENT = { waitMs: 120_000, taskMs: 120_000 };

function toBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

const HELLO = toBytes({ model: 'gpt-4o', messages: [{ role: 'user', content: 'hello world' }] });

/** Letters without a space, for which merging takes longest. */
function createSlowBody(bytes: number): Uint8Array {
  let state = 1;
  const letters = Array.from({ length: bytes }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return String.fromCharCode(0x4e00 + ((state >> 8) % 0x2000));
  });
  return toBytes({ input: letters.join('') });
}

test('counts on a thread, and the caller keeps the body', async () => {
  const counter = new TokenCounter(PATIENT);
  try {
    assert.equal(counter.threads, 0, 'no thread before the first count');
    assert.equal(await counter.count(HELLO, 'gpt-4o'), 2 + 4 + 3);
    assert.equal(await counter.count(HELLO, 'gpt-4'), 2 + 4 + 3);
    assert.equal(await counter.count(HELLO, 'claude-sonnet-5'), Math.ceil(9 * 1.35));
    assert.ok(HELLO.byteLength > 0);
    const inside = new Uint8Array(HELLO.byteLength + 100);
    inside.set(HELLO, 50);
    const view = inside.subarray(50, 50 + HELLO.byteLength);
    assert.equal(await counter.count(view, 'gpt-4o'), 9);
  } finally {
    await counter.close();
  }
});

test('what can’t be counted gives null and spoils nothing', async () => {
  const counter = new TokenCounter(PATIENT);
  try {
    for (const text of ['', '{', 'null', '[]', '{"a":1}', '\u0000', '{"input":']) {
      assert.equal(await counter.count(new TextEncoder().encode(text), 'gpt-4o'), null, text);
    }
    assert.equal(await counter.count(Uint8Array.of(0xff, 0xfe, 0x00), 'gpt-4o'), null);
    const large = new Uint8Array(BOUNDS.exactCountBodyBytesMax + 1);
    assert.equal(await counter.count(large, 'gpt-4o'), null);
    assert.equal(await counter.count(HELLO, 'gpt-4o'), 9);
  } finally {
    await counter.close();
  }
});

test('a body that needs more memory than a thread may have ends that thread, not the process', async () => {
  const counter = new TokenCounter({ ...PATIENT, heapBytesMax: 96 * 1024 * 1024 });
  try {
    const hostile = new TextEncoder().encode(`{"input":[${'[[],{"":[]}],'.repeat(500_000)}1]}`);
    assert.equal(await counter.count(hostile, 'gpt-4o'), null);
    assert.equal(await counter.count(HELLO, 'gpt-4o'), 9, 'another thread took its place');
  } finally {
    await counter.close();
  }
});

test('whoever waits too long gets null, and the thread lives on', async () => {
  const counter = new TokenCounter({ ...PATIENT, waitMs: 1, threadsMax: 1 });
  try {
    assert.equal(
      await counter.count(HELLO, 'gpt-4o'),
      null,
      'the vocabulary is not loaded in 1 ms',
    );
    await counter.warm('gpt-4o');
    assert.equal(counter.threads, 1);
  } finally {
    await counter.close();
  }
});

test('a thread that counts for too long is ended, and another counts on', async () => {
  const counter = new TokenCounter({ ...PATIENT, threadsMax: 1 });
  const impatient = new TokenCounter({ ...PATIENT, taskMs: 1, threadsMax: 1 });
  try {
    assert.equal(await impatient.count(createSlowBody(500_000), 'gpt-4o'), null);
    assert.ok(((await counter.count(createSlowBody(50_000), 'gpt-4o')) ?? 0) > 10_000);
  } finally {
    await Promise.all([counter.close(), impatient.close()]);
  }
});

test('more than may wait gets null at once', async () => {
  const counter = new TokenCounter({ ...PATIENT, threadsMax: 1, queueMax: 2 });
  try {
    const counts = await Promise.all(
      Array.from({ length: 20 }, () => counter.count(HELLO, 'gpt-4o')),
    );
    const counted = counts.filter((tokens) => tokens === 9).length;
    assert.ok(counted >= 2 && counted <= 3, `${counts}`);
    assert.equal(counts.filter((tokens) => tokens === null).length, 20 - counted);
  } finally {
    await counter.close();
  }
});

test('closing ends what runs and what waits, and later counts', async () => {
  const counter = new TokenCounter({ ...PATIENT, threadsMax: 1 });
  await counter.warm('gpt-4o');
  const running = [createSlowBody(1_000_000), HELLO, HELLO].map((body) =>
    counter.count(body, 'gpt-4o'),
  );
  await counter.close();
  assert.deepEqual(await Promise.all(running), [null, null, null]);
  assert.equal(await counter.count(HELLO, 'gpt-4o'), null);
  assert.equal(counter.threads, 0);
  await counter.close();
});

const MODULE = new URL('../../../src/admit/exact-count.js', import.meta.url).href;

for (const [when, ending] of [
  ['after close()', 'await counter.close();'],
  ['with idle threads that nobody closed', ''],
] as const) {
  test(`a process that has counted ends by itself, ${when}`, async () => {
    const program = `
      import { TokenCounter } from ${JSON.stringify(MODULE)};
      const counter = new TokenCounter({ waitMs: 120000, taskMs: 120000 });
      const hold = setInterval(() => {}, 1000);
      const body = new TextEncoder().encode('{"input":"hello world"}');
      process.stdout.write(String(await counter.count(body, 'gpt-4o')));
      clearInterval(hold);
      ${ending}`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (bytes: Buffer) => {
        output += bytes.toString();
      });
    }
    const [code, signal] = await once(child, 'close');
    assert.deepEqual([code, signal, output], [0, null, '5']);
  });
}

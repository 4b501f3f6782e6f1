/** The worker's side: every count is answered once, by the primary or by the time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CountRequest, TokenCountClient } from '../../../src/admit/exact-count-client.js';
import { BOUNDS } from '../../../src/core/bounds.js';
import { Deadlines } from '../../../src/core/deadlines.js';
import { FakeClock } from '../../helpers/fake-clock.js';

const BODY = new Uint8Array(10);

function createClient(): { client: TokenCountClient; sent: CountRequest[] } {
  const sent: CountRequest[] = [];
  return { client: new TokenCountClient((request) => sent.push(request), new Deadlines()), sent };
}

test('answers find who asked, in whatever order they come', async (t) => {
  new FakeClock(t);
  const { client, sent } = createClient();
  const first = client.count(BODY, 'a');
  const second = client.count(BODY, 'b');
  assert.deepEqual(
    sent.map(({ model }) => model),
    ['a', 'b'],
  );
  client.onCounted(sent[1]?.id ?? 0, 2);
  client.onCounted(sent[0]?.id ?? 0, 1);
  assert.deepEqual(await Promise.all([first, second]), [1, 2]);
  assert.equal(client.waiting, 0);
});

test('an answer that does not come is null after its time; when it comes at last it is ignored', async (t) => {
  const clock = new FakeClock(t);
  const { client, sent } = createClient();
  const count = client.count(BODY, 'a');
  clock.advance(BOUNDS.exactCountMs + 3 * BOUNDS.timerTickMs);
  assert.equal(await count, null);
  client.onCounted(sent[0]?.id ?? 0, 5);
  client.onCounted(12_345, 5);
  assert.equal(client.waiting, 0);
});

test('more than may wait, and a body that is too large, are not sent', async (t) => {
  new FakeClock(t);
  const { client, sent } = createClient();
  assert.equal(await client.count(new Uint8Array(BOUNDS.exactCountBodyBytesMax + 1), 'a'), null);
  for (let i = 0; i < BOUNDS.exactCountPendingMax; i += 1) void client.count(BODY, 'a');
  assert.equal(await client.count(BODY, 'a'), null);
  assert.equal(sent.length, BOUNDS.exactCountPendingMax);
});

test('a send that throws gives null and leaves nothing behind', async (t) => {
  new FakeClock(t);
  const client = new TokenCountClient(() => {
    throw new Error('the port is closed');
  }, new Deadlines());
  assert.equal(await client.count(BODY, 'a'), null);
  assert.equal(client.waiting, 0);
});

test('closing answers all that wait', async (t) => {
  new FakeClock(t);
  const { client } = createClient();
  const counts = [client.count(BODY, 'a'), client.count(BODY, 'b')];
  client.close();
  assert.deepEqual(await Promise.all(counts), [null, null]);
  assert.equal(await client.count(BODY, 'c'), null);
});

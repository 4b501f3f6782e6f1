import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { HandOver, type HandOverParts } from '../../../src/primary/hand-over.js';
import { Gate } from '../../../src/worker/gate.js';

const ASK = {
  kind: 'reserve',
  ask: { consumer: 'a', model: null, need: { requests: 1, inputTokens: 0 } },
};
const TELL = {
  kind: 'held',
  changes: [{ consumer: 'a', identity: 'requests', released: 1, givenBack: 0, overdrawn: 0 }],
};

function createTaking() {
  const done: string[] = [];
  const parts: HandOverParts = {
    link: {
      send: ({ kind }) => {
        done.push(kind);
      },
      ask: async () => null,
    },
    limits: {
      stopSaving: async () => {},
      restore: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        done.push('restore');
      },
      elsewhere: {
        copy: () => assert.fail('nothing is handed on'),
        takeOver: () => {
          done.push('take over');
          return { buckets: 1, unknown: 0 };
        },
        reserve: () => {
          done.push('reserve');
          return { held: [['requests', 1]] };
        },
        apply: () => {
          done.push('apply');
        },
        reclaim: () => {
          done.push('reclaim');
        },
      },
    },
    workers: { stopListening: async () => {}, pauseForHandOver: async () => true },
    gate: new Gate(Gate.createMemory()),
    logger: pino({ enabled: false }),
  };
  return { handOver: new HandOver(parts), done };
}

// Messages that come together are told one after the other, before anything that waits for a promise goes on.
for (const [payload, first] of [
  ['AAAA', 'take over'],
  [null, 'restore'],
] as const) {
  test(`what servers before ask and tell waits for the buckets: ${first}`, async () => {
    const { handOver, done } = createTaking();
    const taken = handOver.take();
    handOver.onTakeOver(payload);
    const answer = handOver.onAsk(ASK);
    const told = handOver.onTell(TELL);
    const alone = handOver.onAlone();
    assert.deepEqual(await answer, { held: [['requests', 1]] });
    await Promise.all([taken, told, alone]);
    assert.deepEqual(done, ['holding', first, 'reserve', 'apply', 'reclaim']);
  });
}

test('once they are there, answers need no other turn of the loop', async () => {
  const { handOver, done } = createTaking();
  const taken = handOver.take();
  handOver.onTakeOver('AAAA');
  await taken;
  await handOver.onTell(TELL);
  await handOver.onAsk(ASK);
  assert.deepEqual(done.slice(2), ['apply', 'reserve']);
});

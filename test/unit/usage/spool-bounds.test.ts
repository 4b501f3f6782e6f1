import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { DeliveryState } from '../../../src/usage/delivery-state.js';
import { nameSegment } from '../../../src/usage/spool.js';
import { SpoolBounds } from '../../../src/usage/spool-bounds.js';

const dir = mkdtempSync(join(tmpdir(), 'weir-spool-bounds-'));
after(() => rmSync(dir, { recursive: true, force: true }));

test('segments that came during a slow look stay beyond the bound when it ends', async () => {
  const names: string[] = [];
  const writeSegments = (count: number): void => {
    for (let i = 0; i < count; i += 1) {
      const name = nameSegment(Date.now(), 'abcdef01', names.length + 1);
      writeFileSync(join(dir, name), Buffer.alloc(1000));
      names.push(name);
    }
  };
  const state = new DeliveryState(dir);
  let release = (): void => {};
  let isListed = (): void => {};
  const listed = new Promise<void>((resolve) => {
    isListed = resolve;
  });
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const say = (): void => {};
  const bounds = new SpoolBounds({
    config: { dir, keepMs: 86_400_000, keepBytes: 5000, segmentBytes: 1000 },
    deliverer: {
      isInCharge: true,
      findDelivered: async () => {
        isListed();
        await held;
        return state;
      },
    },
    isOpen: (name) => name === names.at(-1),
    isOwn: () => true,
    logger: { info: say, warn: say, error: say },
  });
  writeSegments(4);
  bounds.start();
  await listed;
  writeSegments(6);
  bounds.onAppended(6000, true);
  const stopped = bounds.stop();
  release();
  await stopped;
  assert.deepEqual(readdirSync(dir).sort(), names.slice(-5));
  assert.equal(bounds.spoolBytes, 5000);
});

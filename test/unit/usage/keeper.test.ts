import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, mock, test } from 'node:test';
import type { UsageConfig } from '../../../src/config/model.js';
import { BOUNDS } from '../../../src/core/bounds.js';
import { UsageKeeper } from '../../../src/usage/keeper.js';
import { UsageRingWriter } from '../../../src/usage/ring.js';
import { UsageRecords } from '../../../src/usage/worker-records.js';
import { createUsual } from '../../helpers/usage-exchanges.js';
import { readRecords } from '../../helpers/usage-spool.js';

const root = mkdtempSync(join(tmpdir(), 'weir-keeper-'));
after(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;

function createScene(overrides: Partial<UsageConfig> = {}) {
  folders += 1;
  const dir = join(root, String(folders));
  const said: string[] = [];
  const say = (fields: object, message: string): void => {
    said.push(`${message} ${JSON.stringify(fields)}`);
  };
  const config: UsageConfig = {
    dir,
    flushEveryMs: 20,
    segmentBytes: 1 << 20,
    keepMs: 86_400_000,
    keepBytes: 1 << 30,
    namesUsers: false,
    deliver: null,
    ...overrides,
  };
  const keeper = new UsageKeeper({
    config,
    version: '0.0.0',
    logger: { info: say, warn: say, error: say },
  });
  const records = new UsageRecords(new UsageRingWriter(keeper.openRing(0)), (text) => text);
  let number = 0;
  const { exchange, endedMs } = createUsual();
  const write = (count: number): void => {
    for (let i = 0; i < count; i += 1) {
      number += 1;
      records.write(Object.assign(exchange, { id: `abc-${number}` }), endedMs);
    }
  };
  const read = (): number[] => readRecords(dir).map(({ id }) => Number(String(id).slice(4)));
  return { dir, keeper, said, write, read };
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

async function findPrototype(): Promise<FileHandle> {
  const path = join(root, 'probe');
  writeFileSync(path, '');
  const handle = await open(path, 'r+');
  await handle.close();
  return Object.getPrototypeOf(handle) as FileHandle;
}

function full(): Error {
  return Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
}

test('records of a disk that is full for a while are lost, doubled, or not said to wait', async () => {
  const { keeper, said, write, read, dir } = createScene();
  write(5);
  await keeper.flush();
  assert.deepEqual(read(), range(1, 5));
  const prototype = await findPrototype();
  const real = prototype.write;
  // A part of it still finds room, as on a real disk.
  const broken = mock.method(
    prototype,
    'write',
    async function (this: FileHandle, bytes: Buffer, ...rest: number[]) {
      const [offset = 0, , position = 0] = rest;
      await Reflect.apply(real, this, [
        bytes,
        offset,
        Math.min(40, bytes.length - offset),
        position,
      ]);
      throw full();
    },
  );
  try {
    write(5);
    await keeper.flush();
    // Not tried again at once.
    await keeper.flush();
    assert.equal(broken.mock.callCount(), 1);
    assert.equal(keeper.readSample().writeFailures, 1);
    assert.equal(said.filter((line) => line.includes('can’t be written')).length, 1);
    assert.match(said.join(), /ENOSPC/);
    assert.deepEqual(read(), range(1, 5));
    write(5);
  } finally {
    broken.mock.restore();
  }
  keeper.start();
  await keeper.stop();
  assert.deepEqual(read(), range(1, 15));
  assert.equal(keeper.readSample().written, 15);
  assert.equal(keeper.readSample().lost, 0);
  assert.match(said.join(), /written again/);
  assert.equal(readdirSync(dir).length, 2, 'files that never held anything were left');
});

test('records that could not be written until the end are lost in silence', async () => {
  const { keeper, said, write } = createScene();
  const prototype = await findPrototype();
  const broken = mock.method(prototype, 'write', () => Promise.reject(full()));
  try {
    write(3);
    keeper.start();
    await keeper.stop();
  } finally {
    broken.mock.restore();
  }
  assert.match(said.join(), /the last usage records could not be written, and are lost/);
});

test('a sync that fails is taken for one that did not', async () => {
  const { keeper, write, read } = createScene();
  write(1);
  await keeper.flush();
  const prototype = await findPrototype();
  const broken = mock.method(prototype, 'datasync', () => Promise.reject(new Error('EIO')));
  write(4);
  await keeper.flush();
  broken.mock.restore();
  assert.equal(keeper.readSample().written, 1);
  keeper.start();
  await keeper.stop();
  assert.deepEqual(read(), range(1, 5));
});

test('a disk that hangs stops a worker, takes memory without end, or holds up the end', async () => {
  const { keeper, said, write, read } = createScene();
  write(1);
  await keeper.flush();
  const prototype = await findPrototype();
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const real = prototype.datasync;
  const broken = mock.method(prototype, 'datasync', async function (this: FileHandle) {
    await held;
    return real.call(this);
  });
  const perRecord = 190;
  const fitting = Math.floor(BOUNDS.usageRingBytesMax / perRecord);
  write(10);
  void keeper.flush();
  write(fitting + 30_000);
  const { lost } = keeper.readSample();
  assert.ok(lost > 1000 && lost < 40_000, String(lost));
  keeper.start();
  const before = performance.now();
  await keeper.stop();
  assert.ok(performance.now() - before < BOUNDS.usageStopMs + 3000);
  assert.match(said.join(), /could not be written in time/);
  broken.mock.restore();
  release();
  await keeper.flush();
  await keeper.flush();
  assert.ok(read().length > fitting / 2);
  assert.match(said.join(), /usage records were lost/);
});

test('a worker that has ended takes records with it, or its ring is kept for ever', async () => {
  const { keeper, write, read } = createScene();
  write(3);
  const other = new UsageRecords(new UsageRingWriter(keeper.openRing(0)), (text) => text);
  const { exchange, endedMs } = createUsual(4);
  other.write(exchange, endedMs);
  await keeper.flush();
  assert.deepEqual(read().sort(), range(1, 4));
  // The old ring is not looked at any more.
  await keeper.flush();
  write(1);
  keeper.start();
  await keeper.stop();
  assert.deepEqual(read().sort(), range(1, 4));
});

test('nothing to write makes files', async () => {
  const { keeper, dir } = createScene();
  keeper.start();
  await keeper.flush();
  await keeper.stop();
  assert.equal(existsSync(dir), false);
});

test('more is kept than may be, or less', async () => {
  const { keeper, write, read, dir, said } = createScene({ segmentBytes: 4000, keepBytes: 20_000 });
  for (let round = 0; round < 40; round += 1) {
    write(10);
    await keeper.flush();
  }
  keeper.start();
  await keeper.stop();
  const bytes = keeper.readSample().spoolBytes;
  assert.ok(bytes > 10_000 && bytes <= 20_000, String(bytes));
  const numbers = read();
  assert.equal(numbers.at(-1), 400);
  assert.deepEqual(numbers, range(numbers[0] ?? 0, 400));
  assert.ok(readdirSync(dir).length <= 8);
  // Nothing was to be delivered, so nothing is missed.
  assert.deepEqual(said, []);
});

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { restoreSnapshot, takeSnapshot } from '../../../src/limits/snapshot.js';
import {
  decodeSnapshot,
  encodeSnapshot,
  readSnapshotFile,
  writeSnapshotFile,
} from '../../../src/limits/snapshot-file.js';
import { EPOCH_MS, meter, need, openTable, together, usage } from '../../helpers/limit-tables.js';

const folder = mkdtempSync(join(tmpdir(), 'weir-snapshot-'));
after(() => rmSync(folder, { recursive: true }));

const LIMITS = [meter('tokens', 1000, 60_000), meter('cost', 0.5, 86_400_000), together(3)];
const WALL_MS = 1_800_000_000_000;

function spend() {
  const open = openTable([LIMITS, LIMITS]);
  const ledger = open.ledgers[0]!;
  const reservation = ledger.createReservation();
  ledger.reserve(0, null, need(1, 700, 100_000_000), EPOCH_MS, reservation);
  ledger.settle(reservation, usage(600, 90_000_001), EPOCH_MS);
  ledger.reserve(0, null, need(1, 100, 0), EPOCH_MS, reservation);
  return { ...open, snapshot: takeSnapshot(open.primary, open.plan, EPOCH_MS, WALL_MS) };
}

test('a snapshot brings back what was missing, and what was held is spent', () => {
  const { snapshot } = spend();
  assert.deepEqual(
    snapshot.consumers.map(([name]) => name),
    ['c0'],
    'full buckets are left out',
  );
  const { primary, plan } = openTable([LIMITS, LIMITS]);
  assert.deepEqual(restoreSnapshot(primary, plan, snapshot, EPOCH_MS, WALL_MS), {
    buckets: 2,
    unknown: 0,
  });
  const [tokens, cost, count] = [0, 1, 2].map((row) => primary.readRow(row, EPOCH_MS));
  assert.deepEqual([tokens?.level, cost?.level, count?.level], [300, 409_999_999, 3]);
});

test('time that passed by the wall clock fills buckets, and a clock set back does not', () => {
  const { snapshot } = spend();
  for (const [passedMs, level] of [
    [30_000, 800],
    [-1e9, 300],
    [1e12, 1000],
  ] as const) {
    const { primary, plan } = openTable([LIMITS]);
    restoreSnapshot(primary, plan, snapshot, EPOCH_MS, WALL_MS + passedMs);
    assert.equal(primary.readRow(0, EPOCH_MS).level, level);
  }
});

test('consumers and limits that are gone are counted and left out', () => {
  const { snapshot } = spend();
  const { primary, plan } = openTable([[meter('tokens', 2000, 60_000), LIMITS[1]!]]);
  assert.deepEqual(restoreSnapshot(primary, plan, snapshot, EPOCH_MS, WALL_MS), {
    buckets: 1,
    unknown: 1,
  });
  assert.equal(primary.readRow(0, EPOCH_MS).level, 2000);
});

test('a file is written whole, read back, and leaves nothing beside it', async () => {
  const path = join(folder, 'whole');
  const { snapshot } = spend();
  assert.equal(await writeSnapshotFile(path, snapshot), null);
  assert.deepEqual(await readSnapshotFile(path), { snapshot, reason: null });
  assert.deepEqual(readdirSync(folder), ['whole']);
});

test('a file that can’t be written or read is a reason, not an exception', async () => {
  const { snapshot } = spend();
  assert.match(
    (await writeSnapshotFile(join(folder, 'no', 'where'), snapshot)) ?? '',
    /can't be written/,
  );
  assert.equal((await readSnapshotFile(join(folder, 'absent'))).reason, 'the file does not exist');
  assert.match((await readSnapshotFile(folder)).reason ?? '', /can't be read/);
});

test('a file cut at any byte, or with any byte changed, is refused', () => {
  const whole = encodeSnapshot(spend().snapshot);
  for (let length = 0; length < whole.length; length += 1) {
    const { reason } = decodeSnapshot(whole.subarray(0, length));
    assert.match(reason ?? 'accepted', /is empty|within its head|are announced/, `${length} bytes`);
  }
  for (let at = 0; at < whole.length; at += 1) {
    const bytes = Buffer.from(whole);
    bytes[at] = bytes[at]! ^ 0x10;
    assert.equal(decodeSnapshot(bytes).snapshot, null, `byte ${at}`);
  }
});

test('a foreign file is refused, and so is one of another version', () => {
  const foreign = join(folder, 'foreign');
  writeFileSync(
    foreign,
    JSON.stringify({ some: 'other program’s file, long enough for a head of ours' }),
  );
  assert.match(decodeSnapshot(readFileSync(foreign)).reason ?? '', /no snapshot of limits/);
  const newer = encodeSnapshot(spend().snapshot);
  newer.writeUInt32LE(2, 8);
  assert.match(decodeSnapshot(newer).reason ?? '', /version 2/);
});

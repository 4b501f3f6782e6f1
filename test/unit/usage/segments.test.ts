import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import { BatchGatherer } from '../../../src/usage/batches.js';
import { gatherParcel } from '../../../src/usage/parcels.js';
import { createUsageRing, UsageRingWriter } from '../../../src/usage/ring.js';
import { SegmentReader } from '../../../src/usage/segment-reader.js';
import { SegmentWriter } from '../../../src/usage/segment-writer.js';
import { listSegments, readSpool, type SpoolProblem } from '../../../src/usage/spool.js';
import { readSegment } from '../../helpers/usage-spool.js';

const root = mkdtempSync(join(tmpdir(), 'weir-segments-'));
const scenes: Scene[] = [];
after(async () => {
  for (const scene of scenes) await scene.writer.close();
  rmSync(root, { recursive: true, force: true });
});
let folders = 0;

function createFolder(): string {
  folders += 1;
  return join(root, String(folders));
}

/** Records are arrays of one number here: `[n]`. */
class Scene {
  readonly dir: string;
  readonly memory = createUsageRing(1 << 22);
  readonly ring = new UsageRingWriter(this.memory);
  readonly gatherer = new BatchGatherer();
  readonly writer: SegmentWriter;
  wallMs = 1_700_000_000_000;

  constructor(dir = createFolder(), segmentBytesMax = 1 << 20) {
    scenes.push(this);
    this.dir = dir;
    this.gatherer.add(0, this.memory);
    this.writer = new SegmentWriter({
      dir,
      writer: this.gatherer.writer,
      segmentBytesMax,
      wallMs: () => this.wallMs,
    });
  }

  put(from: number, to: number): void {
    for (let number = from; number < to; number += 1) {
      const at = this.ring.reserve();
      assert.ok(at >= 0);
      this.ring.bytes[at] = 0x91;
      this.ring.bytes[at + 1] = 0xcd;
      this.ring.bytes.writeUInt16BE(number, at + 2);
      this.ring.commit(at + 4);
    }
  }

  async write(from: number, to: number): Promise<void> {
    this.put(from, to);
    for (let next = this.gatherer.gather(); next !== null; next = this.gatherer.gather()) {
      await this.writer.append(next.bytes);
    }
  }
}

async function readNumbers(dir: string) {
  const problems: SpoolProblem[] = [];
  const numbers: unknown[] = [];
  for await (const { records } of readSpool(await listSegments(dir), (problem) => {
    problems.push(problem);
  })) {
    numbers.push(...records.map(([number]) => number));
  }
  return { numbers, problems };
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

function pathsIn(dir: string): string[] {
  return readdirSync(dir)
    .sort()
    .map((name) => join(dir, name));
}

test('what is written is read, over several batches, files and writers', async () => {
  const one = new Scene(createFolder(), 2000);
  const two = new Scene(one.dir, 2000);
  for (let from = 0; from < 2000; from += 100) {
    one.wallMs += 1;
    two.wallMs += 1;
    await (from % 200 === 0 ? one : two).write(from, from + 100);
  }
  await one.writer.close();
  assert.ok(pathsIn(one.dir).length > 4);
  for (const path of pathsIn(one.dir)) assert.ok(statSync(path).size < 2000 + 20);
  const { numbers, problems } = await readNumbers(one.dir);
  assert.deepEqual(problems, []);
  assert.deepEqual(
    [...numbers].sort((a, b) => Number(a) - Number(b)),
    range(0, 2000),
  );
  // And by a library that knows nothing of the format.
  const values = pathsIn(one.dir).flatMap((path) => readSegment(path).map(({ id }) => Number(id)));
  assert.deepEqual(
    values.sort((a, b) => a - b),
    range(0, 2000),
  );
});

test('more than a batch or a write holds is cut into several', async () => {
  const scene = new Scene();
  // 4 bytes each: two batches and a half.
  const half = Math.ceil((1.25 * BOUNDS.usageBatchBytesMax) / 4);
  assert.ok(half < 2 ** 17);
  scene.put(0, 60_000);
  scene.put(0, 60_000);
  scene.put(0, 2 * half - 120_000);
  const count = 2 * half;
  await scene.write(0, 0);
  const [path = ''] = pathsIn(scene.dir);
  const reader = await SegmentReader.open(path);
  assert.ok(typeof reader !== 'string');
  const sizes: number[] = [];
  for (let step = await reader.next(); step.kind === 'batch'; step = await reader.next()) {
    sizes.push(step.records.length);
  }
  await reader.close();
  assert.ok(sizes.length >= 3 && Math.max(...sizes) <= BOUNDS.usageBatchBytesMax, String(sizes));
  assert.equal((await readNumbers(scene.dir)).numbers.length, count);
});

test('a tail that was cut anywhere hides what is before it, or is read', async () => {
  const scene = new Scene();
  await scene.write(0, 10);
  const [path = ''] = pathsIn(scene.dir);
  const before = readFileSync(path).length;
  await scene.write(10, 20);
  const whole = readFileSync(path);
  for (let length = before; length < whole.length; length += 1) {
    writeFileSync(path, whole.subarray(0, length));
    assert.deepEqual(await readNumbers(scene.dir), { numbers: range(0, 10), problems: [] });
    // Space that was given to the file, and never written.
    appendFileSync(path, Buffer.alloc(whole.length - length));
    const { numbers } = await readNumbers(scene.dir);
    const isCutInSum = numbers.length === 20;
    assert.ok(!isCutInSum || Buffer.compare(readFileSync(path), whole) === 0, String(length));
  }
  for (let length = 0; length < before; length += 7) {
    writeFileSync(path, whole.subarray(0, length));
    assert.deepEqual((await readNumbers(scene.dir)).numbers, []);
  }
});

test('one damaged byte costs more than its batch, or is not noticed', async () => {
  const scene = new Scene();
  await scene.write(0, 10);
  const [path = ''] = pathsIn(scene.dir);
  const start = readFileSync(path).length;
  await scene.write(10, 20);
  await scene.write(20, 30);
  await scene.writer.close();
  const whole = readFileSync(path);
  for (let at = start + 47; at < start + 47 + 40; at += 1) {
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] ?? 0) ^ 0x40;
    writeFileSync(path, damaged);
    const { numbers, problems } = await readNumbers(scene.dir);
    assert.deepEqual(numbers, [...range(0, 10), ...range(20, 30)]);
    assert.match(problems[0]?.reason ?? '', /10 records at \d+ are damaged/);
  }
});

test('records behind a damaged length are missing, and nobody is told', async () => {
  const scene = new Scene();
  await scene.write(0, 10);
  const [path = ''] = pathsIn(scene.dir);
  const before = readFileSync(path).length;
  await scene.write(10, 20);
  await scene.write(20, 30);
  await scene.writer.close();
  const bytes = readFileSync(path);
  bytes[before] = 0;
  writeFileSync(path, bytes);
  const { numbers, problems } = await readNumbers(scene.dir);
  assert.deepEqual(numbers, range(0, 10));
  assert.match(String(problems[0]?.reason), /the rest, \d+ bytes from \d+ on, is damaged/);
  const parcel = await gatherParcel(path, [0, 0], null, 100);
  assert.deepEqual([parcel.records.length, parcel.isEnded], [10, true]);
  assert.equal(parcel.restDamage, problems[0]?.reason);
});

test('a batch that was written twice is read twice', async () => {
  const scene = new Scene();
  scene.put(0, 10);
  const gathered = scene.gatherer.gather();
  assert.ok(gathered);
  await scene.writer.append(gathered.bytes);
  await scene.writer.close();
  scene.wallMs -= 60_000;
  await scene.writer.append(gathered.bytes);
  await scene.write(10, 20);
  assert.deepEqual((await readNumbers(scene.dir)).numbers, range(0, 20));
});

test('a file that is no segment stops the reading of others', async () => {
  const scene = new Scene();
  await scene.write(0, 10);
  const name = '1600000000000-0123456789abcdef-000001.usage';
  for (const [text, reason] of [
    ['', null],
    ['no segment', /no usage records/],
    [Buffer.from([0x81, 0xaa, ...Buffer.from('weir_usage'), 2]), /has version 2/],
    [Buffer.from([0x81, 0xaa, ...Buffer.from('weir_usage'), 1]), /head is damaged/],
    [Buffer.alloc(10_000, 0xc1), /no usage records/],
  ] as const) {
    writeFileSync(join(scene.dir, name), text);
    const { numbers, problems } = await readNumbers(scene.dir);
    assert.deepEqual(numbers, range(0, 10));
    assert.equal(problems.length, reason === null ? 0 : 1);
    if (reason !== null) assert.match(problems[0]?.reason ?? '', reason);
  }
  writeFileSync(join(scene.dir, 'delivery.json'), '{}');
  assert.equal((await listSegments(scene.dir)).length, 2);
});

test('a reader does not go on where a writer does', async () => {
  const scene = new Scene();
  await scene.write(0, 3);
  const [path = ''] = pathsIn(scene.dir);
  const reader = await SegmentReader.open(path);
  assert.ok(typeof reader !== 'string');
  assert.equal((await reader.next()).kind, 'batch');
  const { offset: end } = reader;
  assert.deepEqual(await reader.next(), {
    kind: 'tail',
    offset: end,
    restBytes: 0,
    isDamage: false,
  });
  await scene.write(3, 6);
  const again = await reader.next();
  assert.equal(again.kind, 'batch');
  await scene.writer.close();
  assert.deepEqual(await reader.next(), { kind: 'end' });
  await reader.close();
  const { offset } = again as { offset: number };
  const later = await SegmentReader.open(path, offset);
  assert.ok(typeof later !== 'string');
  assert.equal((await later.next()).kind, 'batch');
  assert.deepEqual(await later.next(), { kind: 'end' });
  await later.close();
  truncateSync(path, 0);
});

test('a segment stays open for ever', async () => {
  const scene = new Scene();
  await scene.write(0, 3);
  assert.equal(await scene.writer.closeIfOld(), false);
  scene.wallMs += BOUNDS.usageSegmentAgeMs;
  assert.equal(await scene.writer.closeIfOld(), true);
  assert.equal(scene.writer.openName, null);
  await scene.write(3, 6);
  assert.equal(pathsIn(scene.dir).length, 2);
});

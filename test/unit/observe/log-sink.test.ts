import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { LogSink } from '../../../src/observe/log-sink.js';

const CHILD = fileURLToPath(new URL('../../helpers/log-child.js', import.meta.url));
const MB = 1024 * 1024;

interface Report {
  readonly dropped: number;
  readonly acknowledged: number;
  readonly given: number;
  readonly lost: number;
  readonly pending: number;
  /** Of finish(). */
  readonly isClean: boolean;
}

function startChild(
  options: object,
  stdout: number | 'pipe',
): { child: ChildProcess; report: Promise<Report> } {
  const full = { workers: 2, lines: 2000, pendingBytesMax: 8 * MB, exit: 'drain', ...options };
  const child = spawn(process.execPath, [CHILD, JSON.stringify(full)], {
    stdio: ['ignore', stdout, 'pipe'],
  });
  let text = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const report = once(child, 'close').then(([code, signal]) => {
    assert.equal(code, 0, `exit ${code} ${signal}: ${text}`);
    return JSON.parse(text) as Report;
  });
  return { child, report };
}

async function readAll(child: ChildProcess): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of child.stdout ?? []) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** Every line is whole; each worker's lines come in order. Gives the number of lines of workers. */
function countLines(output: string): number {
  const lastByWorker = new Map<number, number>();
  let count = 0;
  for (const line of output.split('\n').slice(0, -1)) {
    const parsed = JSON.parse(line) as { worker?: number; index?: number };
    if (parsed.worker === undefined || parsed.index === undefined) continue;
    assert.ok(parsed.index > (lastByWorker.get(parsed.worker) ?? -1));
    lastByWorker.set(parsed.worker, parsed.index);
    count += 1;
  }
  return count;
}

test('all lines of all workers and of the primary arrive, and every byte is acknowledged', async () => {
  const { child, report } = startChild({}, 'pipe');
  const output = await readAll(child);
  const { dropped, acknowledged, given, lost, pending } = await report;
  assert.deepEqual({ dropped, lost, pending }, { dropped: 0, lost: 0, pending: 0 });
  assert.equal(acknowledged, given);
  assert.equal(countLines(output), 4000);
  assert.match(output.split('\n')[0] ?? '', /"msg":"started"/);
  assert.match(output.trimEnd().split('\n').at(-1) ?? '', /"msg":"stopped"/);
});

test('a reader that stands still makes workers drop and count, and loses nothing that was acknowledged', async () => {
  const { child, report } = startChild({ lines: 20_000, pendingBytesMax: 200_000 }, 'pipe');
  child.stdout?.pause();
  await new Promise((resolve) => setTimeout(resolve, 600));
  const output = await readAll(child);
  const { dropped, lost } = await report;
  assert.ok(dropped > 0);
  assert.equal(lost, 0);
  assert.equal(countLines(output) + dropped, 40_000);
});

test('a reader that goes away does not take the process with it', async () => {
  const { child, report } = startChild({ lines: 20_000, pendingBytesMax: 64 * MB }, 'pipe');
  child.stdout?.once('data', () => child.stdout?.destroy());
  const { lost, acknowledged, given, pending } = await report;
  assert.ok(lost > 0);
  assert.equal(acknowledged, given);
  assert.equal(pending, 0);
});

test('a full disk loses lines, which are counted, and nothing else', async () => {
  const { report } = startChild({}, openSync('/dev/full', 'w'));
  const { lost, acknowledged, given } = await report;
  assert.equal(lost, 4002);
  assert.equal(acknowledged, given);
});

test('flushSync at the end of the process writes what is left', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'weir-log-')), 'log');
  const { report } = startChild({ exit: 'sync', lines: 5000 }, openSync(file, 'w'));
  assert.equal((await report).lost, 0);
  assert.equal(countLines(readFileSync(file, 'utf8')), 5000);
});

test('flushSync does not hang when the reader is gone', async () => {
  const { child, report } = startChild({ exit: 'sync', lines: 5000 }, 'pipe');
  child.stdout?.destroy();
  assert.ok((await report).lost > 0);
});

test('the primary’s own lines are bounded too', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'weir-log-')), 'log');
  const sink = new LogSink({ fd: openSync(file, 'w'), pendingBytesMax: 50 });
  for (let index = 0; index < 10; index += 1) sink.write('123456789\n');
  assert.equal(sink.linesLost, 5);
  await sink.drain();
  assert.equal(sink.pendingBytes, 0);
  assert.equal(readFileSync(file, 'utf8'), '123456789\n'.repeat(5));
});

test('a reader that is a little slow is not held up further', async () => {
  const { child, report } = startChild({ lines: 40_000, pendingBytesMax: 64 * MB }, 'pipe');
  let bytes = 0;
  const startedMs = performance.now();
  for await (const chunk of child.stdout ?? []) {
    bytes += (chunk as Buffer).byteLength;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const { lost, dropped } = await report;
  assert.deepEqual({ lost, dropped }, { lost: 0, dropped: 0 });
  // Some 7 MB; with the destination's own pause of 100 ms whenever the pipe is full it takes 8 s and more.
  assert.ok(bytes > 6 * MB);
  assert.ok(performance.now() - startedMs < 5_000);
});

test('a process that ends waits for a slow reader, and not for one that stands still', async () => {
  const options = { exit: 'finish', pendingBytesMax: 8 * MB, lines: 10_000 };
  const slow = startChild(options, 'pipe');
  for await (const _chunk of slow.child.stdout ?? []) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert.deepEqual(await readEnd(slow.report), { lost: 0, dropped: 0, isClean: true });
  const standing = startChild(options, 'pipe');
  await once(standing.child, 'exit');
  standing.child.stdout?.destroy();
  const { lost, ...rest } = await readEnd(standing.report);
  assert.ok(lost > 0);
  assert.deepEqual(rest, { dropped: 0, isClean: true });
});

async function readEnd(report: Promise<Report>) {
  const { lost, dropped, isClean } = await report;
  return { lost, dropped, isClean };
}

/** The spool: a directory of segments, their names, and what reads them all in the order in which they were written. */
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BOUNDS } from '../core/bounds.js';
import { decodeRecords, SEGMENT_END } from './segment-format.js';
import { SegmentReader } from './segment-reader.js';

const NAME = /^(\d{13,15})-([0-9a-f]{8,32})-(\d{6,9})\.usage$/;
/** Clocks of several machines, and a writer that is late to close its segment. */
const SLACK_MS = 600_000;

export interface SegmentFile {
  readonly name: string;
  readonly path: string;
  readonly writer: string;
  readonly createdMs: number;
  readonly bytes: number;
}

/** Such that the order of names is that of writing, as far as there is one. */
export function nameSegment(createdMs: number, writer: string, segment: number): string {
  return `${String(createdMs).padStart(13, '0')}-${writer}-${String(segment).padStart(6, '0')}.usage`;
}

/** The oldest first. Other files of the directory are passed over; a directory that is not there holds none. */
export async function listSegments(dir: string): Promise<SegmentFile[]> {
  const names = await readdir(dir).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return [];
    }
    throw error;
  });
  const files: SegmentFile[] = [];
  for (const name of names.sort()) {
    const match = NAME.exec(name);
    const path = join(dir, name);
    const found = match === null ? null : await stat(path).catch(() => null);
    if (match !== null && found?.isFile() === true) {
      const [, created = '0', writer = ''] = match;
      files.push({ name, path, writer, createdMs: Number(created), bytes: found.size });
    }
  }
  return files;
}

/** Whether somebody may still write to it; nobody does for longer than a segment's age. */
export function mayBeWritten({ createdMs }: SegmentFile, wallMs: number): boolean {
  return wallMs - createdMs < BOUNDS.usageSegmentAgeMs + SLACK_MS;
}

/** Whether its writer has closed it, so that nothing more will come. */
export async function isClosed({ path, bytes }: SegmentFile): Promise<boolean> {
  const { length } = SEGMENT_END;
  if (bytes < length) {
    return false;
  }
  const file = await open(path, 'r');
  try {
    const end = Buffer.alloc(length);
    await file.read(end, 0, length, bytes - length);
    return end.equals(SEGMENT_END);
  } finally {
    await file.close();
  }
}

export interface SpoolBatch {
  readonly fields: readonly string[];
  readonly records: readonly unknown[][];
}

export interface SpoolProblem {
  readonly file: string;
  readonly reason: string;
}

/**
 * All records of the segments, each once: a batch that a failed write has left twice is given out once.
 *
 * @param onProblem told of what can't be read. A tail that is cut off is none: a crash leaves one, and so does reading
 *   while somebody writes.
 */
export async function* readSpool(
  files: readonly SegmentFile[],
  onProblem: (problem: SpoolProblem) => void,
): AsyncGenerator<SpoolBatch> {
  const lastBatches = new Map<string, number>();
  for (const file of files) {
    const reader = await openSegment(file, onProblem);
    if (reader === null) {
      continue;
    }
    try {
      const { writer, fields } = reader.head;
      for (let step = await reader.next(); ; step = await reader.next()) {
        if (step.kind === 'batch') {
          const isNew = step.head.batch > (lastBatches.get(writer) ?? 0);
          if (isNew) {
            lastBatches.set(writer, step.head.batch);
            yield { fields, records: decodeRecords(step.records) };
          }
        } else if (step.kind === 'damaged') {
          const { records } = step.head;
          onProblem({
            file: file.name,
            reason: `${records} records at ${step.offset} are damaged`,
          });
        } else {
          if (step.kind === 'tail' && step.isDamage) {
            onProblem({ file: file.name, reason: describeDamage(step.offset, step.restBytes) });
          }
          break;
        }
      }
    } finally {
      await reader.close();
    }
  }
}

/** Of a segment whose rest can't be read although its writer has closed it in good order. */
export function describeDamage(offset: number, bytes: number): string {
  return `the rest, ${bytes} bytes from ${offset} on, is damaged`;
}

async function openSegment(
  { path, name, bytes }: SegmentFile,
  onProblem: (problem: SpoolProblem) => void,
): Promise<SegmentReader | null> {
  try {
    const opened = await SegmentReader.open(path);
    if (typeof opened !== 'string') {
      return opened;
    }
    // A writer makes the file first.
    if (bytes > 0) {
      onProblem({ file: name, reason: opened });
    }
  } catch (error) {
    onProblem({ file: name, reason: error instanceof Error ? error.message : String(error) });
  }
  return null;
}

/** How many records stand behind a place. For what is thrown away; they are counted, not read. */
export async function countRecords(path: string, offset: number, skip: number): Promise<number> {
  const reader = await SegmentReader.open(path, offset);
  if (typeof reader === 'string') {
    return 0;
  }
  let records = -skip;
  try {
    for (let step = await reader.next(); ; step = await reader.next()) {
      if (step.kind !== 'batch' && step.kind !== 'damaged') {
        return Math.max(0, records);
      }
      records += step.head.records;
    }
  } finally {
    await reader.close();
  }
}

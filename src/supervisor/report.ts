/**
 * The supervisor's own few log lines, in the shape of the server's. They are written off the event loop: a reader of
 * stdout that stands still must not keep the supervisor from its children. `process.stdout` is not touched, because it
 * would make the pipe, which the server shares, a blocking one.
 */
import { write } from 'node:fs';
import { BOUNDS } from '../core/bounds.js';
import { wallClockMs } from '../core/clock.js';

export type Report = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields?: Readonly<Record<string, string | number | null>>,
) => void;

const STDOUT = 1;

export function createReport(): Report {
  let waiting: string[] = [];
  let isWriting = false;
  const writeNext = (): void => {
    const text = waiting.join('');
    waiting = [];
    isWriting = text !== '';
    if (isWriting) {
      write(STDOUT, text, () => writeNext());
    }
  };
  return (level, message, fields = {}) => {
    if (waiting.length >= BOUNDS.supervisorLinesMax) return;
    const line = { level, time: wallClockMs(), process: 'supervisor', ...fields, msg: message };
    waiting.push(`${JSON.stringify(line)}\n`);
    if (!isWriting) writeNext();
  };
}

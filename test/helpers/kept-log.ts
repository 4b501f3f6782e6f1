/** The primary's logger with its lines kept as objects, without their times. */
import { createLogger, type Logger } from '../../src/observe/logger.js';

export type KeptLine = Readonly<Record<string, unknown>>;

export interface KeptLog {
  readonly logger: Logger;
  readonly lines: readonly KeptLine[];
}

export function keepLog(): KeptLog {
  const lines: KeptLine[] = [];
  const write = (text: string): void => {
    const { time: _time, ...line } = JSON.parse(text) as Record<string, unknown>;
    lines.push(line);
  };
  return { logger: createLogger('trace', { write }, (text) => text), lines };
}

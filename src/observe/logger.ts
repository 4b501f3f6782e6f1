/** The primary's own logger: start, reload, workers that come and go. Goes through the same sink as the access log. */
import { type Logger, pino } from 'pino';
import type { WeirConfig } from '../config/model.js';
import { wallClockMs } from '../core/clock.js';
import type { LineDestination } from './access-line.js';
import type { Redact } from './redact.js';

export type { Logger };

/** Each line passes through `redact` as text, so no field, message or stack can carry a secret out. */
export function createLogger(
  level: WeirConfig['log']['level'],
  destination: LineDestination,
  redact: Redact,
): Logger {
  return pino(
    {
      level,
      base: null,
      formatters: { level: (label) => ({ level: label }) },
      timestamp: () => `,"time":${wallClockMs()}`,
      hooks: { streamWrite: redact },
    },
    destination,
  );
}

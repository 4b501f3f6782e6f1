/** The schema of what is refused when the gateway itself has too much to do, and of how many clients there may be. */
import { z } from 'zod';
import { choice, duration, off, size, wholeNumber } from './fields.js';
import { CONNECTIONS_MAX, mapping, TIMEOUT_MS_MAX } from './schema-parts.js';

const LOOP_LAG_MS_MAX = 10_000;
const MB = 1024 * 1024;
/** Less than this no process of Node's starts with. */
const MEMORY_LIMIT_BYTES_MIN = 64 * MB;
const MEMORY_LIMIT_BYTES_MAX = 1024 * 1024 * MB;

const percent = wholeNumber(1, 100);

export const overload = z
  .union([
    off(),
    mapping({
      loop_lag: duration(LOOP_LAG_MS_MAX)
        .prefault('30ms')
        .describe(
          'A worker whose event loop takes longer than this for one round takes in less work.',
        ),
      heap: percent
        .prefault(90)
        .describe('Of what V8 may use, in percent; above it the least important are refused.'),
      memory: percent
        .prefault(90)
        .describe('Resident memory of the process in percent of `memory_limit`; the same.'),
      memory_limit: size(MEMORY_LIMIT_BYTES_MIN, MEMORY_LIMIT_BYTES_MAX)
        .optional()
        .describe('What the process may use; left out: what its cgroup or the machine has.'),
      descriptors: percent
        .prefault(90)
        .describe('Open files and sockets in percent of the process’s limit; the same.'),
      retry_after: duration(TIMEOUT_MS_MAX)
        .prefault('1s')
        .describe('After how long a refused client is asked to come again; up to half more.'),
    }),
  ])
  .prefault({})
  .describe('When new work is refused because the gateway has too much to do; off: never.');

export const clients = mapping({
  connections: wholeNumber(1, CONNECTIONS_MAX)
    .optional()
    .describe('Connections from clients at the same time, of the whole gateway.'),
  connections_per_address: wholeNumber(1, CONNECTIONS_MAX)
    .optional()
    .describe('The same, of one address; IPv6 counts by its first 64 bits.'),
  exchanges: wholeNumber(1, CONNECTIONS_MAX)
    .optional()
    .describe('Exchanges at the same time, of the whole gateway.'),
}).describe('How many clients there may be at a time; what is left out is not bounded.');

export const priority = choice(['high', 'normal', 'low']).describe(
  'Who is refused first when the gateway has too much to do: low, then normal, then high.',
);

/** The schema of usage records: where they are written, how long they are kept, and where they are delivered to. */
import type { z } from 'zod';
import { choice, duration, field, onOff, size, text, wholeNumber } from './fields.js';
import { Refusal } from './refusal.js';
import { mapping, PERIOD_MS_MAX } from './schema-parts.js';
import { apiKey } from './secrets.js';

const MB = 1024 ** 2;
const MINUTE_MS = 60_000;
const RECORDS_MAX = 10_000;

export const USAGE_DIR_DEFAULT = 'usage';
export const SEGMENT_DEFAULT = '64mb';
export const KEEP_SIZE_DEFAULT = '1gb';

/** A receiver's URL. Credentials have a field of their own, which is never shown; this one is. */
function receiverUrl(): z.ZodType<string> {
  const expected = 'an http:// or https:// URL';
  return field({
    json: [{ type: 'string', pattern: '^https?://[^?#@\\s]+$' }],
    refusal: new Refusal(expected),
    read: (value) => {
      if (typeof value !== 'string' || !URL.canParse(value)) return null;
      if (/[@?#]/.test(value)) {
        const reason = 'must not hold a user name, a query or a fragment (not shown); use token';
        return new Refusal(expected, { reason });
      }
      return /^https?:\/\/[^\s\p{Cc}\\]+$/iu.test(value) ? { value } : null;
    },
  });
}

const deliver = mapping({
  url: receiverUrl().describe('Where records are sent with POST.'),
  token: apiKey()
    .optional()
    .describe('Sent as `authorization: Bearer …`. Left out or empty: none.'),
  format: choice(['ndjson', 'msgpack']).prefault('ndjson').describe('What a request’s body is.'),
  every: duration(60 * MINUTE_MS)
    .prefault('5s')
    .describe('How often new records are looked for.'),
  batch: wholeNumber(1, RECORDS_MAX).prefault(1000).describe('The most records of a request.'),
  timeout: duration(10 * MINUTE_MS)
    .prefault('30s')
    .describe('The longest that a request may take.'),
  retry_max: duration(60 * MINUTE_MS)
    .prefault('5m')
    .describe(
      'The longest wait after a request that failed; the first is short, each twice as long.',
    ),
}).describe('Sends the records to a receiver, at least once; left out: nowhere.');

export const usage = mapping({
  dir: text('the path of a directory')
    .optional()
    .describe('Where the files are, relative to this file; left out: usage in state_dir.'),
  flush_every: duration(MINUTE_MS)
    .prefault('1s')
    .describe('How often records are written to the disk: the most that a killed process loses.'),
  segment: size(MB, 1024 * MB)
    .prefault(SEGMENT_DEFAULT)
    .describe('How large a file gets before the next is begun.'),
  keep: duration(PERIOD_MS_MAX).prefault('7d').describe('How long files are kept.'),
  keep_size: size(2 * MB, 1024 ** 2 * MB)
    .prefault(KEEP_SIZE_DEFAULT)
    .describe('How much is kept; the oldest files go first, delivered or not.'),
  users: onOff()
    .prefault('off')
    .describe('Whether records name the end user that a request names as `user`.'),
  deliver: deliver.optional(),
}).describe('One record for every exchange, for billing; left out: none.');

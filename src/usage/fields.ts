/**
 * What a usage record says: an array of these values, in this order, in the spool's files; an object with these names
 * wherever it is printed or delivered. The names are a promise to whoever reads the records; docs/usage-records.md
 * describes them. New ones are added at the end, and a reader goes by the names in the head of each file.
 */
export const USAGE_FIELDS = [
  'id',
  'started_ms',
  'consumer',
  'user',
  'address',
  'dialect',
  'method',
  'path',
  'stream',
  'model',
  'entry',
  'provider',
  'target_model',
  'target',
  'status',
  'upstream_status',
  'ended_by',
  'ended_phase',
  'ended_reason',
  'attempts',
  'input_tokens',
  'cached_input_tokens',
  'cache_write_tokens',
  'output_tokens',
  'reasoning_tokens',
  'audio_input_tokens',
  'audio_output_tokens',
  'estimated',
  'cost_nano_dollars',
  'request_bytes',
  'response_bytes',
  'ready_us',
  'sent_us',
  'head_us',
  'first_byte_us',
  'duration_us',
  'added_us',
] as const;

export type UsageField = (typeof USAGE_FIELDS)[number];

/** What msgpack and JSON have in common, as far as records go. */
export type UsageValue = string | number | boolean | null;

/** A record by the names of its fields. Those that an older file does not know are left out. */
export type UsageRecord = Readonly<Partial<Record<UsageField, UsageValue>>>;

/**
 * Gives values their names. What a file says of its fields is believed as far as the names are known; a value that is
 * none of msgpack's plain ones becomes null.
 */
export function nameValues(fields: readonly string[], values: readonly unknown[]): UsageRecord {
  const record: Record<string, UsageValue> = {};
  for (let i = 0; i < fields.length; i += 1) {
    const name = fields[i];
    if (name !== undefined && name !== '__proto__') {
      record[name] = toPlain(values[i]);
    }
  }
  return record;
}

function toPlain(value: unknown): UsageValue {
  const isPlain =
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  return isPlain ? value : null;
}

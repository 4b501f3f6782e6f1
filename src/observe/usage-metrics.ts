/** The usage records' part of the exposition. */

export interface UsageSample {
  /** Records on the disk. */
  readonly written: number;
  /** Records that found no room in memory. */
  readonly lost: number;
  readonly writeFailures: number;
  readonly spoolBytes: number;
  /** Records that were removed before they were delivered. */
  readonly dropped: number;
  /** Records that the receiver has taken. */
  readonly delivered: number;
  readonly deliveryFailures: number;
  readonly undeliveredBytes: number;
}

/** Name, type and meaning of each figure. */
export const USAGE_METRICS: readonly (readonly [
  name: string,
  type: 'gauge' | 'counter',
  figure: keyof UsageSample,
  help: string,
])[] = [
  ['weir_usage_records_total', 'counter', 'written', 'Usage records written to the disk.'],
  [
    'weir_usage_records_lost_total',
    'counter',
    'lost',
    'Usage records lost because they could not be written in time.',
  ],
  [
    'weir_usage_write_failures_total',
    'counter',
    'writeFailures',
    'Failed tries to write usage records.',
  ],
  ['weir_usage_spool_bytes', 'gauge', 'spoolBytes', 'Of the files of usage records.'],
  [
    'weir_usage_records_dropped_total',
    'counter',
    'dropped',
    'Usage records removed before they were delivered, because there were too many.',
  ],
  [
    'weir_usage_delivered_total',
    'counter',
    'delivered',
    'Usage records that the receiver has taken.',
  ],
  [
    'weir_usage_delivery_failures_total',
    'counter',
    'deliveryFailures',
    'Requests to the receiver that failed.',
  ],
  [
    'weir_usage_undelivered_bytes',
    'gauge',
    'undeliveredBytes',
    'Of usage records that were not delivered yet; looked at once a minute.',
  ],
];

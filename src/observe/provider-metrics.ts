/** What /metrics says of connections to each provider. */
import type { ProviderSlots } from './counters.js';

export const PROVIDER_METRICS: readonly (readonly [
  name: string,
  type: 'gauge' | 'counter',
  slot: keyof Omit<ProviderSlots, 'name'>,
  help: string,
])[] = [
  ['weir_upstream_connections_open', 'gauge', 'connectionsOpen', 'Connections to providers.'],
  [
    'weir_queue_length',
    'gauge',
    'queueLength',
    'Exchanges that wait for a connection to the provider.',
  ],
  [
    'weir_queue_rejected_total',
    'counter',
    'queueRejected',
    'Exchanges that found the queue full, or waited in it for too long.',
  ],
  [
    'weir_stale_replays_total',
    'counter',
    'staleReplays',
    'Requests sent once more because their connection had been closed by the provider while it lay idle.',
  ],
];

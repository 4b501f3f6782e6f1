/** What operators may ask of the configuration on the admin port. */
import type { ReloadOutcome } from '../observe/reload-metrics.js';
import type { ApiRoute } from './admin.js';
import type { ReloadResult } from './reload.js';

const STATUSES: Readonly<Record<Exclude<ReloadOutcome, 'ok'>, number>> = {
  refused: 422,
  busy: 409,
  failed: 500,
};

export function createReloadApi(request: (cause: string) => Promise<ReloadResult>): ApiRoute[] {
  return [
    {
      path: '/api/reload',
      method: 'POST',
      answer: async () => {
        const result = await request('POST /api/reload');
        const { generation } = result;
        if (result.outcome === 'ok') {
          return { status: 200, value: { generation, changes: result.changes } };
        }
        const { outcome, problems } = result;
        return {
          status: STATUSES[outcome],
          value: { error: `reload_${outcome}`, generation, problems },
        };
      },
    },
  ];
}

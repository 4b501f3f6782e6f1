/** Refuses limits that the table can't count to: it is the one who knows, so it is asked. */
import { planRate } from '../limits/rates.js';
import type { Problems } from './problems.js';
import { Refusal } from './refusal.js';
import { isCompleteLimit, toLimit } from './resolve.js';
import type { ParsedFile } from './schema.js';

export function checkRates(file: ParsedFile, problems: Problems): void {
  for (const section of ['tiers', 'consumers'] as const) {
    for (const [name, { limits }] of Object.entries(file[section] ?? {})) {
      limits.forEach((limit, index) => {
        if (!isCompleteLimit(limit)) return;
        try {
          planRate(toLimit(limit));
        } catch (error) {
          if (!(error instanceof RangeError)) throw error;
          const refusal = new Refusal('a limit that can be counted', { reason: error.message });
          problems.refuse([section, name, 'limits', index], refusal);
        }
      });
    }
  }
}

/** Whether a server can take requests, as the admin port tells it. */
import type { Readiness } from './admin.js';

/** The same, with what is being replaced: as long as one worker serves, the server does. */
export function countMissing(readiness: Readiness, missing: number, configured: number): Readiness {
  if (missing === 0 || !readiness.ready) return readiness;
  const workers = { serving: configured - missing, configured };
  return missing < configured
    ? { ...readiness, workers }
    : { ready: false, reason: 'every worker is being replaced', workers };
}

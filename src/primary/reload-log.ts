/** What of a reload stands in the log. */
import type { Logger } from '../observe/logger.js';
import type { ReloadResult } from './reload.js';

export function logReload(
  logger: Logger,
  cause: string,
  result: ReloadResult,
  tookMs: number,
): void {
  const { generation } = result;
  const fields = { cause, generation, took_ms: Math.round(tookMs) };
  if (result.outcome === 'ok') {
    const { changes } = result;
    const message = changes.length === 0 ? 'configuration read, nothing has changed' : 'reloaded';
    logger.info({ ...fields, changes }, message);
    return;
  }
  const line = { ...fields, outcome: result.outcome, problems: result.problems };
  logger.error(line, 'not reloaded, the configuration in force stays');
}

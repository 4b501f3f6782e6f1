/** Refuses limits that the table can't count to: it is the one who knows, so it is asked. */
import { BOUNDS } from '../core/bounds.js';
import { planRate } from '../limits/rates.js';
import type { Path } from './document.js';
import type { Problems } from './problems.js';
import { Refusal } from './refusal.js';
import { isCompleteLimit, toLimit } from './resolve.js';
import type { ParsedFile } from './schema.js';

type ParsedLimits = NonNullable<ParsedFile['callers']>['limits'];

export function checkRates(file: ParsedFile, problems: Problems): void {
  for (const section of ['tiers', 'consumers'] as const) {
    for (const [name, { limits }] of Object.entries(file[section] ?? {})) {
      checkLimits([section, name, 'limits'], limits, problems);
    }
  }
  if (file.callers !== undefined) {
    checkLimits(['callers', 'limits'], file.callers.limits, problems);
    checkCallerRows(file, file.callers, problems);
  }
}

function checkLimits(path: Path, limits: ParsedLimits, problems: Problems): void {
  limits.forEach((limit, index) => {
    if (!isCompleteLimit(limit)) return;
    try {
      planRate(toLimit(limit));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const refusal = new Refusal('a limit that can be counted', { reason: error.message });
      problems.refuse([...path, index], refusal);
    }
  });
}

/** Every slot has a bucket for every limit, and all of them stand in one table with those of consumers. */
function checkCallerRows(
  { tiers, consumers }: ParsedFile,
  { slots, limits }: NonNullable<ParsedFile['callers']>,
  problems: Problems,
): void {
  if (limits.length > BOUNDS.limitsPerConsumerMax) {
    const reason = `expected at most ${BOUNDS.limitsPerConsumerMax} limits; got ${limits.length}`;
    problems.refuse(['callers', 'limits'], new Refusal('limits', { reason }));
    return;
  }
  const tierRows = new Map(
    Object.entries(tiers ?? {}).map(([name, tier]) => [name, tier.limits.length]),
  );
  const consumerRows = Object.values(consumers ?? {}).reduce(
    (sum, consumer) => sum + consumer.limits.length + (tierRows.get(consumer.tier ?? '') ?? 0),
    0,
  );
  const slotsMax = Math.floor((BOUNDS.limitRowsMax - consumerRows) / limits.length);
  if (slots > slotsMax) {
    const of = `with ${limits.length} limits of callers and ${consumerRows} of consumers`;
    const reason = `expected at most ${Math.max(0, slotsMax)} slots ${of}; got ${slots}`;
    problems.refuse(['callers', 'slots'], new Refusal('slots', { reason }));
  }
}

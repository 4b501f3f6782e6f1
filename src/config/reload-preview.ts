/** `weir check NEW --diff OLD`: what a reload from one file to the other would change. */

import { planTable, type TablePlan } from '../limits/plan.js';
import { matchLists } from '../limits/row-keeper.js';
import { diffConfigs, formatChange, refuseChanges } from './diff.js';
import type { WeirConfig } from './model.js';

export interface ReloadPreview {
  readonly text: string;
  /** Why the server would refuse it; empty: it would not. */
  readonly refusals: readonly string[];
}

const SIGNS = { added: '+', removed: '-', changed: '~' } as const;

export function previewReload(running: WeirConfig, next: WeirConfig): ReloadPreview {
  const changes = diffConfigs(running, next);
  const lines = changes.map((change) => `${SIGNS[change.kind]} ${formatChange(change)}`);
  if (lines.length === 0) lines.push('nothing would change');
  const limits = describeLimits(running, next);
  if (limits !== null) lines.push(limits);
  return { text: `${lines.join('\n')}\n`, refusals: refuseChanges(changes) };
}

/** null where nothing happens to any bucket. */
function describeLimits(running: WeirConfig, next: WeirConfig): string | null {
  const [old, planned] = [planOf(running), planOf(next)];
  const places = new Map(old.consumers.map(({ name }, index) => [name, index]));
  const counts = { kept: 0, carried: 0, full: 0 };
  planned.consumers.forEach(({ name }, index) => {
    const list = planned.lists[planned.listOf[index] ?? 0] ?? [];
    const before = old.lists[old.listOf[places.get(name) ?? -1] ?? -1] ?? [];
    const { kept, carried } = matchLists(before, list);
    list.forEach((_, at) => {
      if ((kept[at] ?? -1) >= 0) counts.kept += 1;
      else if ((carried[at] ?? -1) >= 0) counts.carried += 1;
      else counts.full += 1;
    });
  });
  const gone = old.consumers.reduce((sum, { limits }) => sum + limits.length, 0);
  const lost = gone - counts.kept - counts.carried;
  if (counts.carried + counts.full + lost === 0) return null;
  return (
    `limits of consumers: ${counts.kept} keep their level, ${counts.carried} take over what was spent, ` +
    `${counts.full} start full, ${lost} are gone`
  );
}

function planOf({ consumers }: WeirConfig): TablePlan {
  return planTable(consumers, { workers: 1 });
}

/** What is known of targets goes into the table of a changed configuration. The primary does it, just before the turn. */
import type { WeirConfig } from '../config/model.js';
import { CLOSED } from './breaker.js';
import { layOut, ROW, ROW_CELLS, ROW_WORD, TARGET_WORDS } from './layout.js';
import type { HealthPlan } from './plan.js';
import { StateWord } from './state-word.js';

/** A target of the new plan and the one that it continues. */
export interface Continued {
  readonly from: number;
  readonly to: number;
  /** It is reached as before, so that what was seen of it still says something. */
  readonly isSame: boolean;
}

type Config = Pick<WeirConfig, 'providers'>;

/** The first with the first, where several are alike. */
export function matchTargets(
  old: HealthPlan,
  oldConfig: Config,
  next: HealthPlan,
  nextConfig: Config,
): Continued[] {
  const ways = new Map(oldConfig.providers.map((provider) => [provider.name, nameWay(provider)]));
  const nextWays = new Map(nextConfig.providers.map((one) => [one.name, nameWay(one)]));
  const waiting = new Map<string, number[]>();
  old.targets.forEach((target, index) => {
    const key = nameTarget(target);
    const same = waiting.get(key);
    if (same === undefined) waiting.set(key, [index]);
    else same.push(index);
  });
  return next.targets.flatMap((target, to) => {
    const from = waiting.get(nameTarget(target))?.shift();
    if (from === undefined) return [];
    const isSame = ways.get(target.provider) === nextWays.get(target.provider);
    return { from, to, isSame };
  });
}

/**
 * Both buffers must have the same epoch. What threads see in the old table after this is lost, which is at most what
 * they see within the turn.
 */
export function carryOver(
  from: { readonly buffer: SharedArrayBuffer; readonly plan: HealthPlan },
  to: { readonly buffer: SharedArrayBuffer; readonly plan: HealthPlan },
  continued: readonly Continued[],
): void {
  const [oldLayout, layout] = [layOut(from.plan), layOut(to.plan)];
  const [oldCells, cells] = [new BigInt64Array(from.buffer), new BigInt64Array(to.buffer)];
  const [oldWords, words] = [new Int32Array(from.buffer), new Int32Array(to.buffer)];
  const word = new StateWord();
  for (const { from: old, to: index, isSame } of continued) {
    const oldRow = oldLayout.rows + old * ROW_CELLS;
    const row = layout.rows + index * ROW_CELLS;
    word.unpack(Atomics.load(oldCells, oldRow + ROW.state));
    const { isDrained } = word;
    // One that can't be ejected any more has nobody who would ever put it back.
    if (!isSame || to.plan.targets[index]!.rules === null) word.unpack(0n);
    word.isDrained = isDrained;
    cells[row + ROW.state] = word.pack();
    words[row * 2 + ROW_WORD.ejections] = oldWords[oldRow * 2 + ROW_WORD.ejections]!;
    if (!isSame) continue;
    cells[row + ROW.throttledUntil] = oldCells[oldRow + ROW.throttledUntil]!;
    cells[row + ROW.recoveredAt] = oldCells[oldRow + ROW.recoveredAt]!;
    words[row * 2 + ROW_WORD.failuresInRow] = oldWords[oldRow * 2 + ROW_WORD.failuresInRow]!;
    if (word.state !== CLOSED) words[layout.groups + to.plan.targets[index]!.group]! += 1;
    for (let column = 0; column < to.plan.columns; column += 1) {
      const oldAt = oldLayout.columns + oldLayout.columnStride * column + old * TARGET_WORDS;
      const at = layout.columns + layout.columnStride * column + index * TARGET_WORDS;
      for (let part = 0; part < TARGET_WORDS; part += 1) words[at + part] = oldWords[oldAt + part]!;
    }
  }
}

function nameTarget({ model, provider, providerModel }: HealthPlan['targets'][number]): string {
  return JSON.stringify([model, provider, providerModel]);
}

function nameWay(provider: WeirConfig['providers'][number]): string {
  const { dialect, baseUrl, apiKey, proxyUrl, tls } = provider;
  return JSON.stringify([dialect, baseUrl, apiKey, proxyUrl, tls]);
}

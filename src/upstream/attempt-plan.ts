/** What the configuration says about attempts, worked out once for each model entry. */
import type { ModelConfig, WeirConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import type { DeadlineList, Deadlines } from '../core/deadlines.js';
import type { ModelEntry } from '../route/models.js';
import { Backoff } from './backoff.js';

/** Of one model entry. */
export interface EntryPlan {
  /** In all, at this entry. */
  readonly attemptsMax: number;
  readonly backoff: Backoff;
  /** No target is waited for longer than this before it is asked again. */
  readonly backoffMsMax: number;
  /** Lists the exchanges that get a second call when nothing came for so long; null: none do. */
  readonly hedges: DeadlineList | null;
  /** Names of other entries, by the `fallback` of the class of a failure. */
  readonly chains: Readonly<Record<'any' | 'context' | 'content', readonly string[]>>;
  /** Whatever happens, there is one attempt at one target. */
  readonly isSingle: boolean;
}

export class AttemptPlans {
  /** For error answers that are read to their end. */
  readonly patience: DeadlineList;
  /** Some model's targets are chosen by how quick they were; else nobody asks. */
  readonly comparesPace: boolean;
  /** By `ModelEntry.number`. */
  readonly #plans: readonly EntryPlan[];

  /** @param entries of the model table, all of them. */
  constructor(
    config: Pick<WeirConfig, 'models' | 'retry'>,
    entries: readonly ModelEntry[],
    deadlines: Deadlines,
  ) {
    this.patience = deadlines.shareList('discarded', BOUNDS.discardedAnswerMs);
    this.comparesPace = config.models.some(({ balance }) => balance === 'least-latency');
    const models = new Map(config.models.map((model) => [model.name, model]));
    this.#plans = entries.map(({ name }) =>
      createPlan(models.get(name)!, config.retry.backoffMsMax, deadlines),
    );
  }

  of(entry: ModelEntry): EntryPlan {
    return this.#plans[entry.number]!;
  }
}

function createPlan(model: ModelConfig, backoffMsMax: number, deadlines: Deadlines): EntryPlan {
  const { retry, hedgeMs, fallbacks, contextFallbacks, contentFallbacks } = model;
  const chained = fallbacks.length + contextFallbacks.length + contentFallbacks.length;
  return {
    attemptsMax: retry.attemptsMax,
    backoff: new Backoff(retry.backoffMs, backoffMsMax),
    backoffMsMax,
    hedges: hedgeMs === null ? null : deadlines.shareList('hedge', hedgeMs),
    chains: { any: fallbacks, context: contextFallbacks, content: contentFallbacks },
    // Of several targets one attempt still tells which is well, by bodies and streams too, and which is quick.
    isSingle:
      model.targets.length === 1 && retry.attemptsMax === 1 && chained === 0 && hedgeMs === null,
  };
}

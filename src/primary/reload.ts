/**
 * Reload: reads the configuration anew, has every worker build what follows from it beside what is in force, and turns
 * all of them to it in one instant, or none (docs/decisions/0010-reload.md). One reload at a time; whoever asks for one
 * during it gets the next, which reads the file after it was asked for.
 */
import { isDeepStrictEqual } from 'node:util';
import { type ConfigChange, diffConfigs, formatChange, refuseChanges } from '../config/diff.js';
import type { WeirConfig } from '../config/model.js';
import { checkTlsFiles, readTlsFiles } from '../config/pem-files.js';
import { BOUNDS } from '../core/bounds.js';
import { nowMs, wallClockMs } from '../core/clock.js';
import { OperatorError } from '../core/errors.js';
import type { ReloadOutcome, ReloadSample } from '../observe/reload-metrics.js';
import type { GenerationReport, GenerationStart } from '../worker/messages.js';
import type { Generations } from './generations.js';
import { Preparation } from './preparation.js';

/** `refused`: the file is at fault; `busy`: the server, for now; `failed`: a worker could not. */
export type ReloadResult =
  | { readonly outcome: 'ok'; readonly generation: number; readonly changes: readonly string[] }
  | {
      readonly outcome: Exclude<ReloadOutcome, 'ok'>;
      readonly generation: number;
      readonly problems: readonly string[];
    };

/** What of a configuration is not made yet when the workers are asked to build it. */
export interface PlannedGeneration {
  readonly start: GenerationStart;
  /** It comes to nothing. */
  discard(): void;
  /** In the same turn of the loop as all workers turn to it. @param changed names of providers that are new or other. */
  adopt(changed: ReadonlySet<string>): void;
}

/** What a reload needs of the primary. */
export interface ReloadHost {
  readonly generations: Generations;
  /** @throws OperatorError */
  load(): WeirConfig;
  /** Why there can be no reload now; null: there can. */
  refuse(): string | null;
  /** @throws OperatorError where there is no room for it. */
  plan(config: WeirConfig, number: number): Promise<PlannedGeneration>;
  livingWorkers(): readonly number[];
  prepare(start: GenerationStart): void;
  discard(number: number): void;
  /** The workers shall look at what is in force. */
  turn(): void;
  onOutcome(cause: string, result: ReloadResult, tookMs: number): void;
}

export class Reloader {
  readonly #host: ReloadHost;
  readonly #counts: Record<ReloadOutcome, number> = { ok: 0, refused: 0, busy: 0, failed: 0 };
  #lastOkWallMs = wallClockMs();
  #running: Promise<ReloadResult> | null = null;
  #following: Promise<ReloadResult> | null = null;
  #preparation: Preparation | null = null;
  /** Also of those that came to nothing, so that a late word about one is never taken for another's. */
  #lastNumber: number;

  constructor(host: ReloadHost) {
    this.#host = host;
    this.#lastNumber = host.generations.current.number;
  }

  /** Never rejects. @param cause for the log, such as `SIGHUP`. */
  request(cause: string): Promise<ReloadResult> {
    if (this.#running === null) {
      this.#running = this.#run(cause).finally(() => {
        this.#running = null;
      });
      return this.#running;
    }
    this.#following ??= this.#running.then(() => {
      this.#following = null;
      return this.request(cause);
    });
    return this.#following;
  }

  /** Resolves when no reload is under way; one that is can't succeed any more once the host refuses. */
  async settle(): Promise<void> {
    await this.#running;
  }

  onReport(worker: number, report: GenerationReport): void {
    this.#preparation?.onReport(worker, report);
    this.#host.generations.onReport(worker, report);
  }

  onWorkerEnded(worker: number): void {
    this.#preparation?.onWorkerEnded(worker);
    this.#host.generations.onWorkerEnded(worker);
  }

  readSample(): ReloadSample {
    const { generations } = this.#host;
    return {
      generation: generations.current.number,
      generationsLiving: generations.livingCount,
      lastOkWallMs: this.#lastOkWallMs,
      counts: this.#counts,
    };
  }

  async #run(cause: string): Promise<ReloadResult> {
    const startedMs = nowMs();
    const result = await this.#reload().catch((error: unknown): ReloadResult => {
      const isOurs = error instanceof OperatorError;
      const reason = error instanceof Error ? error.message : String(error);
      return this.#give(isOurs ? 'refused' : 'failed', reason.split('\n'));
    });
    this.#counts[result.outcome] += 1;
    if (result.outcome === 'ok') this.#lastOkWallMs = wallClockMs();
    this.#host.onOutcome(cause, result, nowMs() - startedMs);
    return result;
  }

  async #reload(): Promise<ReloadResult> {
    const host = this.#host;
    const refusal = host.refuse();
    if (refusal !== null) return this.#give('busy', [refusal]);
    const before = host.generations.current;
    const config = host.load();
    for (const provider of config.providers) checkTlsFiles(provider);
    const changes = [...diffConfigs(before.config, config), ...listNewFiles(before, config)];
    const fixed = refuseChanges(changes);
    if (fixed.length > 0) return this.#give('refused', fixed);
    if (changes.length === 0 && isDeepStrictEqual(before.config, config)) {
      return this.#accept(before.number, []);
    }
    if (host.generations.livingCount >= BOUNDS.generationsMax) {
      return this.#give('busy', [
        `exchanges of ${host.generations.livingCount} configurations still run, the most that may; ` +
          'try again when the oldest have ended',
      ]);
    }
    this.#lastNumber += 1;
    const planned = await host.plan(config, this.#lastNumber);
    const reason = await this.#prepare(planned);
    if (reason !== null) {
      planned.discard();
      host.discard(planned.start.number);
      return this.#give(host.refuse() === null ? 'failed' : 'busy', [reason]);
    }
    planned.adopt(listChanged(before, planned.start));
    host.generations.begin(planned.start, host.livingWorkers());
    host.turn();
    return this.#accept(planned.start.number, changes);
  }

  /** Resolves to null when every worker has built it; nothing may be awaited between that and the turn. */
  async #prepare({ start }: PlannedGeneration): Promise<string | null> {
    const host = this.#host;
    const workers = host.livingWorkers();
    if (workers.length < start.config.workers) {
      return 'a worker is being replaced; nothing was changed, try again';
    }
    this.#preparation = new Preparation(start.number, workers);
    host.prepare(start);
    const reason = await this.#preparation.done;
    this.#preparation = null;
    return reason ?? host.refuse();
  }

  #accept(generation: number, changes: readonly ConfigChange[]): ReloadResult {
    const shown = changes.slice(0, BOUNDS.configChangesMax).map(formatChange);
    const more = changes.length - shown.length;
    return {
      outcome: 'ok',
      generation,
      changes: more > 0 ? [...shown, `and ${more} more`] : shown,
    };
  }

  #give(outcome: Exclude<ReloadOutcome, 'ok'>, problems: readonly string[]): ReloadResult {
    return { outcome, generation: this.#host.generations.current.number, problems };
  }
}

/** Providers whose settings are the same and whose files are not. */
function listNewFiles({ config, tls }: GenerationStart, next: WeirConfig): ConfigChange[] {
  const before = new Map(config.providers.map(({ name }, index) => [name, tls[index] ?? null]));
  return next.providers.flatMap((provider): ConfigChange[] => {
    const known = before.get(provider.name);
    if (known === undefined || isDeepStrictEqual(known, readTlsFiles(provider))) return [];
    const path = `providers.${provider.name}.tls: the files`;
    return [{ kind: 'changed', path, before: null, after: null }];
  });
}

function listChanged(before: GenerationStart, next: GenerationStart): Set<string> {
  const known = new Map(
    before.config.providers.map((provider, index) => [
      provider.name,
      [provider, before.tls[index]],
    ]),
  );
  return new Set(
    next.config.providers.flatMap((provider, index) => {
      const isSame = isDeepStrictEqual(known.get(provider.name), [provider, next.tls[index]]);
      return isSame ? [] : provider.name;
    }),
  );
}

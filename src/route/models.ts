/** From the model that a client asks for to the targets that may serve it; balancers.ts chooses among them. */
import {
  type HashBy,
  type ModelConfig,
  type ModelTimeouts,
  type ProviderConfig,
  type TargetConfig,
  type WeirConfig,
  WILDCARD,
} from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { type DialectName, GatewayError } from '../core/errors.js';
import { nearestNames } from '../core/nearest.js';

/** Where an attempt goes. */
export interface Target {
  /** The entry in the configuration, `*` included. */
  readonly entryName: string;
  /** Position of this target in its entry, as configured. */
  readonly position: number;
  /** Among all targets of the gateway, models in the configuration's order and then targets in theirs. */
  readonly index: number;
  readonly provider: string;
  /** The name that the provider knows, the entry's own where nothing else is configured; null passes the client's on. */
  readonly model: string | null;
  /** In place of the provider's; null: the provider's hold. */
  readonly timeouts: ModelTimeouts | null;
  /** The longest that an exchange may take; 0: not bounded. */
  readonly wholeMs: number;
  /** Silence within an event stream after which its client is sent a comment; 0: never. */
  readonly keepAliveMs: number;
}

/** What one name, or any other name, may be served by. */
export interface ModelEntry {
  /** As configured, `*` included. */
  readonly name: string;
  /** Place in `ModelTable.entries`; balancers keep by it what they know of an entry. */
  readonly number: number;
  /** At least one. */
  readonly targets: readonly Target[];
  /** What the configuration says of each, in the same order. */
  readonly shares: readonly Pick<TargetConfig, 'weight' | 'priority'>[];
  readonly balance: ModelConfig['balance'];
  readonly hashBy: HashBy | null;
}

const DIALECT_NAMES: readonly DialectName[] = ['openai', 'anthropic'];
const MODEL_CHARS_SHOWN = 128;

/** One worker's view of the models. */
export class ModelTable {
  readonly #entries = new Map<string, ModelEntry>();
  /** The wildcard's targets for callers of each dialect; empty if there is no wildcard. */
  readonly #wildcards = new Map<DialectName, ModelEntry>();
  readonly #all: ModelEntry[] = [];
  readonly names: readonly { readonly id: string; readonly owner: string }[];

  constructor(config: Pick<WeirConfig, 'models' | 'providers'>) {
    const providers = new Map(config.providers.map((provider) => [provider.name, provider]));
    let firstIndex = 0;
    for (const model of config.models) {
      const targets = createTargets(model, firstIndex, providers);
      firstIndex += targets.length;
      if (model.name === WILDCARD) {
        this.#addWildcard(model, targets, providers);
      } else {
        this.#entries.set(model.name, this.#addEntry(model, targets));
      }
    }
    this.names = config.models
      .filter(({ name }) => name !== WILDCARD)
      .map(({ name, targets }) => ({ id: name, owner: targets[0]?.provider ?? '' }));
  }

  /** All there are; a wildcard has one for each dialect. */
  get entries(): readonly ModelEntry[] {
    return this.#all;
  }

  get hasWildcard(): boolean {
    return this.#wildcards.size > 0;
  }

  has(model: string): boolean {
    return this.#entries.has(model);
  }

  /**
   * @param model as the client wrote it; null where the request names none.
   * @throws GatewayError `model_not_found`, with the nearest names.
   */
  find(model: string | null, dialect: DialectName): ModelEntry {
    const entry =
      (model === null ? undefined : this.#entries.get(model)) ?? this.#wildcards.get(dialect);
    if (entry === undefined) {
      throw model === null ? refuseUnnamed() : this.refuseUnknown(model);
    }
    return entry;
  }

  #addEntry(model: ModelConfig, targets: readonly Target[]): ModelEntry {
    const entry = {
      name: model.name,
      number: this.#all.length,
      targets,
      shares: targets.map(({ position }) => model.targets[position] as TargetConfig),
      balance: model.balance,
      hashBy: model.hashBy,
    };
    this.#all.push(entry);
    return entry;
  }

  /**
   * What is passed on unread can only be understood by a provider that speaks the caller's dialect, so the wildcard's
   * targets of that dialect take it, where there are any.
   */
  #addWildcard(
    model: ModelConfig,
    targets: readonly Target[],
    providers: ReadonlyMap<string, ProviderConfig>,
  ): void {
    for (const dialect of DIALECT_NAMES) {
      const speaking = targets.filter(
        (target) => providers.get(target.provider)?.dialect === dialect,
      );
      this.#wildcards.set(dialect, this.#addEntry(model, speaking.length > 0 ? speaking : targets));
    }
  }

  refuseUnknown(model: string): GatewayError {
    const near = nearestNames(model, this.#entries.keys(), BOUNDS.suggestionsMax);
    const shown =
      model.length > MODEL_CHARS_SHOWN ? `${model.slice(0, MODEL_CHARS_SHOWN)}…` : model;
    const hint = near.length === 0 ? '' : ` Did you mean ${near.map(quote).join(' or ')}?`;
    return new GatewayError(
      'model_not_found',
      `The model ${quote(shown)} is not configured here.${hint}`,
      {
        param: 'model',
      },
    );
  }
}

function refuseUnnamed(): GatewayError {
  return new GatewayError(
    'model_not_found',
    'The request names no model that the gateway can read, and no "*" model is configured to take such requests.',
    { param: 'model' },
  );
}

/** How many targets all models have together: as many as `Target.index` can be. */
export function countTargets(config: Pick<WeirConfig, 'models'>): number {
  return config.models.reduce((sum, { targets }) => sum + targets.length, 0);
}

function createTargets(
  model: ModelConfig,
  firstIndex: number,
  providers: ReadonlyMap<string, ProviderConfig>,
): Target[] {
  return model.targets.map((target, position) => ({
    entryName: model.name,
    position,
    index: firstIndex + position,
    provider: target.provider,
    // As another's fallback it is asked for by its own name, whatever the client wrote.
    model: target.model ?? (model.name === WILDCARD ? null : model.name),
    timeouts: model.timeouts,
    wholeMs: model.timeouts?.wholeMs ?? providers.get(target.provider)?.timeouts.wholeMs ?? 0,
    keepAliveMs: model.keepAliveMs ?? 0,
  }));
}

function quote(name: string): string {
  return JSON.stringify(name);
}

/** From the model that a client asks for to a provider and the name that the provider knows. */
import type { ModelConfig, ProviderConfig, TargetConfig, WeirConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { type DialectName, GatewayError } from '../core/errors.js';
import { nearestNames } from '../core/nearest.js';

/** Where an exchange goes. */
export interface Target {
  /** Among all targets of the gateway: models in the configuration's order, then targets in theirs. */
  readonly index: number;
  /** The entry in the configuration, `*` included. */
  readonly entryName: string;
  /** Position of this target in its entry. */
  readonly position: number;
  readonly provider: string;
  /** The name that the provider knows, the entry's own where nothing else is configured; null passes the client's on. */
  readonly model: string | null;
}

/** A name that clients ask for. */
export interface ModelEntry {
  /** As in the configuration, `*` included. */
  readonly name: string;
  /** At least one. */
  readonly targets: readonly Target[];
}

const WILDCARD = '*';
const DIALECT_NAMES: readonly DialectName[] = ['openai', 'anthropic'];
const MODEL_CHARS_SHOWN = 128;

/** One worker's view of the models. */
export class ModelTable {
  readonly #entries = new Map<string, ModelEntry>();
  /** The wildcard's targets for callers of each dialect; empty if there is no wildcard. */
  readonly #wildcards = new Map<DialectName, ModelEntry>();
  readonly names: readonly { readonly id: string; readonly owner: string }[];

  constructor(config: Pick<WeirConfig, 'models' | 'providers'>) {
    let index = 0;
    for (const model of config.models) {
      const targets = createTargets(model, index);
      index += targets.length;
      if (model.name === WILDCARD) {
        this.#addWildcard(targets, config.providers);
      } else {
        this.#entries.set(model.name, { name: model.name, targets });
      }
    }
    this.names = config.models
      .filter(({ name }) => name !== WILDCARD)
      .map(({ name, targets }) => ({ id: name, owner: targets[0]?.provider ?? '' }));
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

  /**
   * What is passed on unread can only be understood by a provider that speaks the caller's dialect, so the wildcard's
   * targets of that dialect take it, where there are any.
   */
  #addWildcard(targets: readonly Target[], providers: readonly ProviderConfig[]): void {
    const dialectOf = new Map(providers.map(({ name, dialect }) => [name, dialect]));
    for (const dialect of DIALECT_NAMES) {
      const speaking = targets.filter((target) => dialectOf.get(target.provider) === dialect);
      const chosen = speaking.length > 0 ? speaking : targets;
      this.#wildcards.set(dialect, { name: WILDCARD, targets: chosen });
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

function createTargets(model: ModelConfig, firstIndex: number): Target[] {
  return model.targets.map((target: TargetConfig, position) => ({
    index: firstIndex + position,
    entryName: model.name,
    position,
    provider: target.provider,
    // As another's fallback it is asked for by its own name, whatever the client wrote.
    model: target.model ?? (model.name === WILDCARD ? null : model.name),
  }));
}

function quote(name: string): string {
  return JSON.stringify(name);
}

/** From the model that a client asks for to a provider and the name that the provider knows. */
import type {
  ModelConfig,
  ModelTimeouts,
  ProviderConfig,
  TargetConfig,
  WeirConfig,
} from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { type DialectName, GatewayError } from '../core/errors.js';
import { nearestNames } from '../core/nearest.js';

/** Where an exchange goes. */
export interface Target {
  /** The entry in the configuration, `*` included. */
  readonly entryName: string;
  /** Position of this target in its entry. */
  readonly position: number;
  readonly provider: string;
  /** The name that the provider knows; null passes the client's on. */
  readonly model: string | null;
  /** In place of the provider's; null: the provider's hold. */
  readonly timeouts: ModelTimeouts | null;
  /** The longest that an exchange may take; 0: not bounded. */
  readonly wholeMs: number;
  /** Silence within an event stream after which its client is sent a comment; 0: never. */
  readonly keepAliveMs: number;
}

interface Entry {
  readonly targets: readonly Target[];
  next: number;
}

const WILDCARD = '*';
const DIALECT_NAMES: readonly DialectName[] = ['openai', 'anthropic'];
const MODEL_CHARS_SHOWN = 128;

/** One worker's view of the models; where an entry has several targets they take turns. */
export class ModelTable {
  readonly #entries = new Map<string, Entry>();
  /** The wildcard's targets for callers of each dialect; empty if there is no wildcard. */
  readonly #wildcards = new Map<DialectName, Entry>();
  readonly names: readonly { readonly id: string; readonly owner: string }[];

  constructor(config: Pick<WeirConfig, 'models' | 'providers'>) {
    const providers = new Map(config.providers.map((provider) => [provider.name, provider]));
    for (const model of config.models) {
      if (model.name === WILDCARD) {
        this.#addWildcard(model, providers);
      } else {
        this.#entries.set(model.name, { targets: createTargets(model, providers), next: 0 });
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
  find(model: string | null, dialect: DialectName): Target {
    const entry =
      (model === null ? undefined : this.#entries.get(model)) ?? this.#wildcards.get(dialect);
    if (entry === undefined) {
      throw model === null ? refuseUnnamed() : this.refuseUnknown(model);
    }
    const target = entry.targets[entry.next] as Target;
    entry.next = entry.next + 1 < entry.targets.length ? entry.next + 1 : 0;
    return target;
  }

  /**
   * What is passed on unread can only be understood by a provider that speaks the caller's dialect, so the wildcard's
   * targets of that dialect take it, where there are any.
   */
  #addWildcard(model: ModelConfig, providers: ReadonlyMap<string, ProviderConfig>): void {
    const targets = createTargets(model, providers);
    for (const dialect of DIALECT_NAMES) {
      const speaking = targets.filter(
        (target) => providers.get(target.provider)?.dialect === dialect,
      );
      this.#wildcards.set(dialect, { targets: speaking.length > 0 ? speaking : targets, next: 0 });
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

function createTargets(
  model: ModelConfig,
  providers: ReadonlyMap<string, ProviderConfig>,
): Target[] {
  return model.targets.map((target: TargetConfig, position) => ({
    entryName: model.name,
    position,
    provider: target.provider,
    model: target.model,
    timeouts: model.timeouts,
    wholeMs: model.timeouts?.wholeMs ?? providers.get(target.provider)?.timeouts.wholeMs ?? 0,
    keepAliveMs: model.keepAliveMs ?? 0,
  }));
}

function quote(name: string): string {
  return JSON.stringify(name);
}

/**
 * Where each target and each provider is counted. A place is for ever: what a reload brings back counts on where it
 * stopped, and exchanges of all generations count in the same places. How busy targets are stands in the same order.
 */
import type { WeirConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { OperatorError } from '../core/errors.js';
import {
  type CounterLayout,
  type CounterPlaces,
  createCounterLayout,
  placeInOrder,
} from '../observe/counters.js';

type Config = Pick<WeirConfig, 'models' | 'providers'>;

/** A target that counts, or once did. */
interface PlacedTarget {
  readonly model: string;
  readonly provider: string;
}

export class TargetPlaces {
  readonly targetsMax: number;
  readonly #providersMax: number;
  readonly #places = new Map<string, number>();
  readonly #targets: PlacedTarget[] = [];
  readonly #providers = new Map<string, number>();
  #layout: CounterLayout;
  #laidOut = -1;

  constructor(config: Config) {
    const counts = placeInOrder(config);
    this.targetsMax = Math.max(BOUNDS.targetsRoom, 2 * counts.targetsMax);
    this.#providersMax = Math.max(BOUNDS.providersRoom, 2 * counts.providersMax);
    this.place(config);
    this.#layout = this.#layOut();
  }

  /**
   * Targets that are new get places, and keep them even if the configuration comes to nothing.
   * @throws OperatorError where there is no room.
   */
  place({ models, providers }: Config): CounterPlaces {
    const keys = models.flatMap(({ name, targets }) => nameTargets(name, targets));
    const newTargets = new Set(keys.map(({ key }) => key).filter((key) => !this.#places.has(key)));
    const newProviders = providers.filter(({ name }) => !this.#providers.has(name));
    checkRoom('models', this.#places.size + newTargets.size, this.targetsMax);
    checkRoom('providers', this.#providers.size + newProviders.length, this.#providersMax);
    for (const { key, model, provider } of keys) {
      if (this.#places.has(key)) continue;
      this.#places.set(key, this.#targets.length);
      this.#targets.push({ model, provider });
    }
    for (const { name } of newProviders) this.#providers.set(name, this.#providers.size);
    return {
      targets: Int32Array.from(keys, ({ key }) => this.#places.get(key) ?? 0),
      providers: Int32Array.from(providers, ({ name }) => this.#providers.get(name) ?? 0),
      targetsMax: this.targetsMax,
      providersMax: this.#providersMax,
    };
  }

  /** Of all that have a place: routes by their index, and every provider. */
  get layout(): CounterLayout {
    if (this.#laidOut !== this.#targets.length + this.#providers.size) {
      this.#layout = this.#layOut();
    }
    return this.#layout;
  }

  #layOut(): CounterLayout {
    this.#laidOut = this.#targets.length + this.#providers.size;
    const config = {
      models: this.#targets.map(({ model, provider }) => ({
        name: model,
        targets: [{ provider }],
      })),
      providers: [...this.#providers.keys()].map((name) => ({ name })),
    };
    const room = { targetsMax: this.targetsMax, providersMax: this.#providersMax };
    return createCounterLayout(config, { ...placeInOrder(config), ...room });
  }
}

/** Equal targets of one model are told apart by their order. */
function nameTargets(
  model: string,
  targets: WeirConfig['models'][number]['targets'],
): (PlacedTarget & { readonly key: string })[] {
  const seen = new Map<string, number>();
  return targets.map(({ provider, model: providerModel }) => {
    const name = JSON.stringify([model, provider, providerModel]);
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    return { key: `${name}#${times}`, model, provider };
  });
}

function checkRoom(section: 'models' | 'providers', wanted: number, max: number): void {
  if (wanted <= max) return;
  const what = section === 'models' ? 'targets' : 'providers';
  throw new OperatorError(
    `${section}: there is room to count ${max} ${what}, those of earlier configurations included; ` +
      'SIGUSR2 or a restart makes more',
  );
}

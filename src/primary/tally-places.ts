/**
 * The memory of what /metrics sums by consumer, provider and route, and which consumers have a place in it. A place is for
 * ever, so that counters never go back: a consumer that a reload takes away and brings back counts on where it stopped.
 */
import type { WeirConfig } from '../config/model.js';
import { OTHER } from '../observe/consumer-metrics.js';
import type { CounterPlaces } from '../observe/counters.js';
import type { TallyStart } from '../observe/tally.js';
import {
  createTallyMemory,
  FIRST_CONSUMER,
  OTHER_CONSUMERS,
  TallyLayout,
  type TallySizes,
} from '../observe/tally-layout.js';
import { TallyReader } from '../observe/tally-reader.js';

export class TallyPlaces {
  readonly reader: TallyReader;
  readonly #sizes: TallySizes;
  readonly #memory: SharedArrayBuffer;
  readonly #places = new Map<string, number>();
  readonly #names: string[] = [];

  constructor(
    { metrics, workers }: Pick<WeirConfig, 'metrics' | 'workers'>,
    { providersMax }: Pick<CounterPlaces, 'providersMax'>,
  ) {
    this.#sizes = { consumersMax: metrics.consumersMax, providersMax };
    const layout = new TallyLayout(this.#sizes);
    this.#memory = createTallyMemory(layout, workers);
    this.reader = new TallyReader(layout, this.#memory, workers);
  }

  /** Of those with a place, in its order. */
  get names(): readonly string[] {
    return this.#names;
  }

  /** Consumers that are new get places as long as there are some; the rest is counted together. */
  place({ consumers }: Pick<WeirConfig, 'consumers'>): TallyStart {
    const places = (consumers ?? []).map(({ name }) => this.#placeOf(name));
    return { memory: this.#memory, sizes: this.#sizes, consumers: Int32Array.from(places) };
  }

  #placeOf(name: string): number {
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    if (name === OTHER || this.#names.length >= this.#sizes.consumersMax) return OTHER_CONSUMERS;
    const place = FIRST_CONSUMER + this.#names.length;
    this.#names.push(name);
    this.#places.set(name, place);
    return place;
  }
}

/** Keeps out of the log what any configuration holds of which exchanges still run: an old key is no less secret. */
import { listSecrets } from '../observe/recorder.js';
import { createRedact, type Redact } from '../observe/redact.js';

export class LivingSecrets {
  readonly #byGeneration = new Map<number, readonly string[]>();
  #redact: Redact = createRedact([]);

  readonly redact: Redact = (text) => this.#redact(text);

  add(generation: number, config: Parameters<typeof listSecrets>[0]): void {
    this.#byGeneration.set(generation, listSecrets(config));
    this.#build();
  }

  /** No exchange of a generation before this one runs any more. */
  retire(oldest: number): void {
    for (const generation of [...this.#byGeneration.keys()]) {
      if (generation < oldest) this.#byGeneration.delete(generation);
    }
    this.#build();
  }

  #build(): void {
    this.#redact = createRedact([...this.#byGeneration.values()].flat());
  }
}

/** Hands an exchange's request to its provider. */

import type { ProviderConfig } from '../config/model.js';
import type { Deadlines } from '../core/deadlines.js';
import type { DialectName } from '../core/errors.js';
import type { Dialect } from '../dialects/dialect.js';
import type { Exchange } from '../exchange.js';
import type { Target } from '../route/models.js';
import type { UpstreamCall, UpstreamObserver } from './call.js';
import { type CallTimeouts, createCallTimeouts, type TokenWatch } from './call-timeouts.js';
import type { Provider } from './provider.js';
import { type BodyPatches, createTemplate, type RequestTemplate, writeRequest } from './request.js';

interface Way {
  readonly provider: Provider;
  readonly template: RequestTemplate;
  readonly timeouts: CallTimeouts;
}

export class Forwarder {
  readonly #ways = new Map<string, Way>();
  readonly #patches: BodyPatches;
  readonly #deadlines: Deadlines;
  readonly #createWatch: () => TokenWatch;
  /** Of targets whose model has timeouts of its own. */
  readonly #timeouts = new Map<Target, CallTimeouts>();

  constructor(
    providers: readonly Provider[],
    dialects: Readonly<Record<DialectName, Dialect>>,
    patches: BodyPatches,
    deadlines: Deadlines,
    createWatch: () => TokenWatch,
  ) {
    this.#patches = patches;
    this.#deadlines = deadlines;
    this.#createWatch = createWatch;
    for (const provider of providers) {
      const { apiKey, dialect } = provider.config;
      const credential = apiKey === null ? null : dialects[dialect].credential(apiKey);
      this.#ways.set(provider.name, {
        provider,
        template: createTemplate(provider.config, credential),
        timeouts: createCallTimeouts(deadlines, provider.config.timeouts, null, createWatch),
      });
    }
  }

  /** Of a configured provider. */
  configOf(provider: string): ProviderConfig {
    return this.#wayTo(provider).provider.config;
  }

  /**
   * @throws GatewayError `queue_full`; every other failure is told to the observer.
   */
  forward(exchange: Exchange, target: Target, observer: UpstreamObserver): UpstreamCall {
    const way = this.#wayTo(target.provider);
    exchange.phase = 'connecting';
    const request = writeRequest(exchange, way.template, target.model, this.#patches);
    return way.provider.send(request, observer, this.#timeoutsOf(target, way));
  }

  /** A call to it fails where its first token is late. */
  waitsForToken(target: Target): boolean {
    return this.#timeoutsOf(target, this.#wayTo(target.provider)).firstToken !== null;
  }

  #timeoutsOf(target: Target, { provider, timeouts: usual }: Way): CallTimeouts {
    if (target.timeouts === null) {
      return usual;
    }
    const known = this.#timeouts.get(target);
    if (known !== undefined) {
      return known;
    }
    const timeouts = createCallTimeouts(
      this.#deadlines,
      provider.config.timeouts,
      target.timeouts,
      this.#createWatch,
    );
    this.#timeouts.set(target, timeouts);
    return timeouts;
  }

  #wayTo(provider: string): Way {
    const way = this.#ways.get(provider);
    if (way === undefined) {
      throw new Error(`no provider ${provider}`);
    }
    return way;
  }
}

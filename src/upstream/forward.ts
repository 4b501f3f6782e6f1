/** Hands an exchange's request to its provider. */

import type { DialectName } from '../core/errors.js';
import type { Dialect } from '../dialects/dialect.js';
import type { Exchange } from '../exchange.js';
import type { Target } from '../route/models.js';
import type { UpstreamCall, UpstreamObserver } from './call.js';
import type { Provider } from './provider.js';
import { type BodyPatches, createTemplate, type RequestTemplate, writeRequest } from './request.js';

interface Way {
  readonly provider: Provider;
  readonly template: RequestTemplate;
}

export class Forwarder {
  readonly #ways = new Map<string, Way>();
  readonly #patches: BodyPatches;

  constructor(
    providers: readonly Provider[],
    dialects: Readonly<Record<DialectName, Dialect>>,
    patches: BodyPatches,
  ) {
    this.#patches = patches;
    for (const provider of providers) {
      const { apiKey, dialect } = provider.config;
      const credential = apiKey === null ? null : dialects[dialect].credential(apiKey);
      this.#ways.set(provider.name, {
        provider,
        template: createTemplate(provider.config, credential),
      });
    }
  }

  /** @throws GatewayError `queue_full`; every other failure is told to the observer. */
  forward(exchange: Exchange, target: Target, observer: UpstreamObserver): UpstreamCall {
    const way = this.#ways.get(target.provider);
    if (way === undefined) {
      throw new Error(`no provider ${target.provider}`);
    }
    exchange.phase = 'connecting';
    const request = writeRequest(exchange, way.template, target.model, this.#patches);
    return way.provider.send(request, observer);
  }
}

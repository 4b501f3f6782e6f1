/**
 * `GET /v1/models` and `GET /v1/models/{id}`: what is configured, in the caller's dialect. Where nothing but the
 * wildcard is configured there is nothing to list, and the provider is asked.
 */
import { GatewayError } from '../core/errors.js';
import { DIALECTS } from '../dialects/registry.js';
import type { Exchange } from '../exchange.js';
import type { ModelTable } from './models.js';

const LIST_PATH = '/v1/models';

export class ModelList {
  readonly #models: ModelTable;
  readonly #createdMs: number;

  constructor(models: ModelTable, createdMs: number) {
    this.#models = models;
    this.#createdMs = createdMs;
  }

  /**
   * @returns the body of the answer, or null where the request is to be passed on.
   * @throws GatewayError `route_not_found` for paths that Weir does not serve, `model_not_found`.
   */
  answer({ head, dialect }: Exchange): string | null {
    const { path } = head;
    if (!path.startsWith('/v1/')) {
      throw new GatewayError('route_not_found', 'Weir serves the paths under /v1/.');
    }
    if (!path.startsWith(LIST_PATH) || (head.method !== 'GET' && head.method !== 'HEAD')) {
      return null;
    }
    if (path === LIST_PATH) {
      return this.#models.names.length === 0 && this.#models.hasWildcard
        ? null
        : DIALECTS[dialect].formatModels(this.#models.names, this.#createdMs);
    }
    if (path.charCodeAt(LIST_PATH.length) !== SLASH) {
      return null;
    }
    const id = decodeId(path.slice(LIST_PATH.length + 1));
    const entry = this.#models.names.find((name) => name.id === id);
    if (entry !== undefined) {
      return DIALECTS[dialect].formatModel(entry, this.#createdMs);
    }
    if (this.#models.hasWildcard) {
      return null;
    }
    throw this.#models.refuseUnknown(id);
  }
}

const SLASH = 0x2f;

function decodeId(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What Weir itself must be able to say in a dialect: errors, its list of models, and the provider's credential. */
import type { GatewayError } from '../core/errors.js';

export interface ModelEntry {
  readonly id: string;
  /** The provider behind it. */
  readonly owner: string;
}

/** A POST with a JSON body. */
export interface TokenRequest {
  /** As clients write it, from `/v1` on. */
  readonly path: string;
  /** Beside the credential and those of the body: name, value. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

export interface Dialect {
  /** The body of an error answer, JSON. */
  formatError(error: GatewayError, exchangeId: string): string;
  /** One SSE event that says the stream has failed; sent before the stream is cut. */
  formatStreamError(error: GatewayError, exchangeId: string): string;
  /**
   * The events that end a stream because its length is limited, for the model as the client named it; before
   * formatStreamError's.
   */
  formatStreamLength(model: string, exchangeId: string, createdMs: number): string;
  /** The answer to `GET /v1/models`. */
  formatModels(models: readonly ModelEntry[], createdMs: number): string;
  /** The answer to `GET /v1/models/{id}`. */
  formatModel(model: ModelEntry, createdMs: number): string;
  /** A request for one token of a model's, the cheapest that shows whether it answers. */
  tokenRequest(model: string): TokenRequest;
  /** Name and value of the header that carries a provider's key. */
  credential(apiKey: string): readonly [name: string, value: string];
}

/**
 * Takes in a request's body, within bounds, and finds in it the model that is asked for. A body in one piece, the
 * usual case, is copied once, to where it is sent from.
 */
import type { BodyReader } from '../accept/downstream.js';
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';
import { GatewayError } from '../core/errors.js';
import type { Exchange, RequestHead } from '../exchange.js';
import { ByteBudget } from './budget.js';
import { findInForm, findInJson, type Range } from './find-model.js';
import { createJsonScan, type JsonScan, resetJsonScan } from './json-scan.js';
import type { KeptBodies, KeptBody } from './kept-bodies.js';
import {
  createMultipartScan,
  type MultipartScan,
  parseMultipartBoundary,
} from './multipart-scan.js';
import { Upload } from './upload.js';

/** What is known of a body when the exchange goes on. */
export interface RequestBody {
  /** The whole body, or its beginning if `upload` is set. */
  readonly bytes: Uint8Array;
  /** `bytes` are uWebSockets.js's and must be copied before the handler returns: no more could be kept. */
  readonly isBorrowed: boolean;
  /** Holds `bytes`, and room for a head before them; null: they are elsewhere. */
  readonly place: KeptBody | null;
  /** What follows `bytes`, as it comes in. */
  readonly upload: Upload | null;
  /** Length of the whole; -1 where only the end of a chunked body will tell. */
  readonly totalBytes: number;
  /** Where in `bytes` the model's name stands: a JSON string with its quotes, or a form field's value. */
  readonly modelRange: { readonly start: number; readonly end: number } | null;
  readonly isModelJson: boolean;
}

export interface InspectOutcome {
  /** The body is there as far as it must be. Called at most once. */
  onInspected(exchange: Exchange): void;
  /** Called at most once: instead of onInspected, or after it when an upload outgrows what may be held. */
  onRefused(exchange: Exchange, error: unknown): void;
}

/** How a body is looked through. */
type Kind =
  | { readonly scans: 'json'; readonly isDeclared: boolean }
  | { readonly scans: 'multipart'; readonly boundary: string }
  | { readonly scans: 'nothing' };

const NOTHING: Kind = { scans: 'nothing' };
const DECLARED_JSON: Kind = { scans: 'json', isDeclared: true };
const PERHAPS_JSON: Kind = { scans: 'json', isDeclared: false };
const EMPTY = Buffer.alloc(0);

/** Of all bodies that one worker holds at a time. */
export interface BodyBytesMax {
  readonly collectedBytesMax: number;
  readonly uploadingBytesMax: number;
}

const BODY_BYTES_MAX: BodyBytesMax = {
  collectedBytesMax: BOUNDS.bodyCollectTotalBytesMax,
  uploadingBytesMax: BOUNDS.streamedUploadsTotalBytesMax,
};

/** One worker's intake of bodies. */
export class BodyInspector {
  readonly #collectBudget: ByteBudget;
  readonly #uploadBudget: ByteBudget;
  readonly #mayNameModel: (path: string) => boolean;
  readonly #kept: KeptBodies;
  /** For bodies in one piece, one after the other. */
  readonly #scan = createJsonScan();

  constructor(
    onHeldBytes: (bytes: number) => void,
    mayNameModel: (path: string) => boolean,
    kept: KeptBodies,
    { collectedBytesMax, uploadingBytesMax }: BodyBytesMax = BODY_BYTES_MAX,
  ) {
    let collected = 0;
    let uploading = 0;
    this.#collectBudget = new ByteBudget(collectedBytesMax, (held) => {
      collected = held;
      onHeldBytes(collected + uploading);
    });
    this.#uploadBudget = new ByteBudget(uploadingBytesMax, (held) => {
      uploading = held;
      onHeldBytes(collected + uploading);
    });
    this.#mayNameModel = mayNameModel;
    this.#kept = kept;
  }

  /** @throws GatewayError `bad_body` when the head alone tells it. */
  inspect(exchange: Exchange, outcome: InspectOutcome): void {
    const kind = this.#chooseKind(exchange.head);
    exchange.downstream.readBody(new BodyIntake(this, exchange, kind, outcome));
  }

  /** Of a body in several pieces. */
  collect(exchange: Exchange, kind: Kind, outcome: InspectOutcome): Collection {
    return new Collection(exchange, kind, this.#collectBudget, this.#uploadBudget, outcome);
  }

  /** @param chunk is gone when this returns. */
  inspectWhole(exchange: Exchange, kind: Kind, chunk: Buffer, outcome: InspectOutcome): void {
    exchange.requestBytes = chunk.length;
    const place = chunk.length > 0 ? this.#kept.reserve(chunk.length) : null;
    const bytes = place === null ? chunk : place.fill(chunk);
    exchange.bodyHold = place;
    // Not when the exchange began: the body may have come long after the head.
    exchange.readyMs = nowMs();
    try {
      let range: Range | null = null;
      if (kind.scans !== 'nothing' && bytes.length > 0) {
        range =
          kind.scans === 'json'
            ? this.#findInJson(exchange, kind.isDeclared, bytes)
            : findInForm(exchange, createMultipartScan(kind.boundary), bytes, true);
      }
      exchange.body = {
        bytes,
        isBorrowed: place === null && bytes.length > 0,
        place,
        upload: null,
        totalBytes: bytes.length,
        modelRange: range,
        isModelJson: kind.scans === 'json',
      };
    } catch (error) {
      outcome.onRefused(exchange, error);
      return;
    }
    outcome.onInspected(exchange);
  }

  #findInJson(exchange: Exchange, isDeclared: boolean, bytes: Buffer): Range | null {
    resetJsonScan(this.#scan);
    return findInJson(exchange, this.#scan, isDeclared, bytes, true);
  }

  #chooseKind(head: RequestHead): Kind {
    if (head.contentLength === 0 || !this.#mayNameModel(head.path)) {
      return NOTHING;
    }
    const { contentEncoding: encoding, contentType: type } = head;
    if (encoding !== null && encoding !== 'identity') {
      return NOTHING;
    }
    if (type === null || type === '') {
      return PERHAPS_JSON;
    }
    if (type.startsWith('application/json') || JSON_TYPE.test(type)) {
      return DECLARED_JSON;
    }
    if (MULTIPART_TYPE.test(type)) {
      const boundary = parseMultipartBoundary(type);
      if (boundary === null) {
        throw new GatewayError('bad_body', 'The content-type of the form names no valid boundary.');
      }
      return { scans: 'multipart', boundary };
    }
    return OPAQUE_TYPE.test(type) ? NOTHING : PERHAPS_JSON;
  }
}

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\b/i;
const MULTIPART_TYPE = /^\s*multipart\/form-data\b/i;
const OPAQUE_TYPE = /^(?:audio|image|video)\/|^application\/octet-stream\b/i;

/** One request's body as it comes in. */
class BodyIntake implements BodyReader {
  readonly #inspector: BodyInspector;
  readonly #exchange: Exchange;
  readonly #kind: Kind;
  readonly #outcome: InspectOutcome;
  #collection: Collection | null = null;

  constructor(inspector: BodyInspector, exchange: Exchange, kind: Kind, outcome: InspectOutcome) {
    this.#inspector = inspector;
    this.#exchange = exchange;
    this.#kind = kind;
    this.#outcome = outcome;
  }

  onBodyChunk(chunk: Buffer, isLast: boolean): void {
    if (this.#collection === null) {
      if (isLast) {
        this.#inspector.inspectWhole(this.#exchange, this.#kind, chunk, this.#outcome);
        return;
      }
      this.#collection = this.#inspector.collect(this.#exchange, this.#kind, this.#outcome);
    }
    this.#collection.take(chunk, isLast);
  }
}

/** A body that comes in several pieces: gathered in one buffer that grows, or streamed. */
class Collection {
  readonly #exchange: Exchange;
  readonly #kind: Kind;
  readonly #budget: ByteBudget;
  readonly #uploadBudget: ByteBudget;
  readonly #outcome: InspectOutcome;
  readonly #jsonScan: JsonScan | null;
  readonly #formScan: MultipartScan | null;
  #buffer: Buffer = EMPTY;
  #usedBytes = 0;
  #upload: Upload | null = null;
  #isOver = false;

  constructor(
    exchange: Exchange,
    kind: Kind,
    budget: ByteBudget,
    uploadBudget: ByteBudget,
    outcome: InspectOutcome,
  ) {
    this.#exchange = exchange;
    this.#kind = kind;
    this.#budget = budget;
    this.#uploadBudget = uploadBudget;
    this.#outcome = outcome;
    this.#jsonScan = kind.scans === 'json' ? createJsonScan() : null;
    this.#formScan = kind.scans === 'multipart' ? createMultipartScan(kind.boundary) : null;
    exchange.bodyHold = this;
  }

  take(chunk: Uint8Array, isLast: boolean): void {
    this.#exchange.requestBytes += chunk.length;
    if (this.#isOver && this.#upload === null) {
      return;
    }
    try {
      if (this.#upload !== null) {
        this.#upload.takeIn(chunk, isLast);
        return;
      }
      this.#append(chunk);
      if (isLast) {
        this.#finish(this.#find(true), null);
      } else if (this.#usedBytes > this.#collectBytesMax()) {
        this.#stream();
      }
    } catch (error) {
      this.release();
      this.#outcome.onRefused(this.#exchange, error);
    }
  }

  #collectBytesMax(): number {
    return this.#kind.scans === 'nothing' ? BOUNDS.bodyPeekBytesMax : BOUNDS.bodyCollectBytesMax;
  }

  #append(chunk: Uint8Array): void {
    const needed = this.#usedBytes + chunk.length;
    if (!this.#budget.hasRoom(chunk.length)) {
      throw new GatewayError('overloaded', 'The gateway holds as many request bodies as it may.', {
        retryAfterMs: 1000,
      });
    }
    if (needed > this.#buffer.length) {
      const { contentLength } = this.#exchange.head;
      const doubled = Math.max(needed, this.#buffer.length * 2, FIRST_BUFFER_BYTES);
      // What a client announces is not reserved before it has come: it need not keep its word.
      const grown = Buffer.allocUnsafeSlow(
        contentLength >= needed ? Math.min(doubled, contentLength) : doubled,
      );
      this.#buffer.copy(grown, 0, 0, this.#usedBytes);
      this.#buffer = grown;
    }
    this.#buffer.set(chunk, this.#usedBytes);
    this.#usedBytes = needed;
    this.#budget.hold(chunk.length);
  }

  #find(isComplete: boolean): Range | null {
    const bytes = this.#buffer.subarray(0, this.#usedBytes);
    if (this.#jsonScan !== null) {
      const isDeclared = this.#kind.scans === 'json' && this.#kind.isDeclared;
      return findInJson(this.#exchange, this.#jsonScan, isDeclared, bytes, isComplete);
    }
    if (this.#formScan !== null) {
      return findInForm(this.#exchange, this.#formScan, bytes, isComplete);
    }
    return null;
  }

  #stream(): void {
    const range = this.#find(false);
    if (range === null && this.#kind.scans !== 'nothing') {
      throw new GatewayError(
        'body_too_large',
        `The body is larger than ${BOUNDS.bodyCollectBytesMax} bytes and does not name its model before that; put "model" before the large fields.`,
      );
    }
    this.#upload = new Upload(this.#exchange.downstream, this.#uploadBudget);
    this.#finish(range, this.#upload);
  }

  #finish(modelRange: Range | null, upload: Upload | null): void {
    this.#isOver = true;
    this.#exchange.readyMs = nowMs();
    this.#exchange.body = {
      bytes: this.#buffer.subarray(0, this.#usedBytes),
      isBorrowed: false,
      place: null,
      upload,
      totalBytes: upload === null ? this.#usedBytes : this.#exchange.head.contentLength,
      modelRange,
      isModelJson: this.#jsonScan !== null,
    };
    this.#outcome.onInspected(this.#exchange);
  }

  /** Gives back what was counted; the exchange does so when it ends, whichever way. */
  release(): void {
    this.#isOver = true;
    this.#budget.release(this.#usedBytes);
    this.#usedBytes = 0;
    this.#buffer = EMPTY;
    this.#upload?.destroy();
  }
}

const FIRST_BUFFER_BYTES = 64 * 1024;

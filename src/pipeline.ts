/**
 * The way of an exchange, on one screen: accept → authenticate → inspect → route → admit → forward → relay → settle →
 * record. The only file that knows all stages. A stage that can't go on throws a GatewayError; the relay turns it into
 * an answer in the caller's dialect, and whichever way an exchange ends, it is recorded exactly once.
 *
 * Keys are looked at before the body, other than in the first design: a stranger shall not make Weir hold 32 MB. The
 * target is known before the limits are charged, because its price is (docs/decisions/0004).
 */
import type { Downstream } from './accept/downstream.js';
import { checkFraming } from './accept/framing.js';
import type { Admission } from './admit/admission.js';
import type { KeyTable } from './authenticate/keys.js';
import { BOUNDS } from './core/bounds.js';
import { nowMs } from './core/clock.js';
import { GatewayError } from './core/errors.js';
import type { Deferred } from './core/turn-row.js';
import { detectDialect } from './dialects/registry.js';
import { Exchange, type RequestHead } from './exchange.js';
import type { BodyInspector, InspectOutcome } from './inspect/body.js';
import { checkTarget } from './inspect/target.js';
import { readTimeoutMs } from './inspect/timeout.js';
import type { ExchangeGate } from './overload/exchange-gate.js';
import { Relay } from './relay/relay.js';
import type { RelayHost } from './relay/relay-host.js';
import type { ModelList } from './route/model-list.js';
import type { ModelEntry, Target } from './route/models.js';
import { type AttemptParts, turnToTarget } from './upstream/attempt-parts.js';
import { findFirst } from './upstream/attempt-walk.js';
import { Attempts } from './upstream/attempts.js';
import { beginDirect } from './upstream/direct-attempt.js';
import { FirstAttempt } from './upstream/first-attempt.js';

export interface Stages extends RelayHost {
  createId(): string;
  onBegun(exchange: Exchange): void;
  readonly keys: KeyTable;
  readonly gate: ExchangeGate;
  readonly bodies: BodyInspector;
  readonly modelList: ModelList;
  readonly admission: Admission;
  readonly attempts: AttemptParts;
}

const CERTIFICATE_WANTED =
  'Show a certificate of the gateway’s authority when you connect; this connection has none.';

export function runExchange(stages: Stages, downstream: Downstream, head: RequestHead): void {
  const dialect = detectDialect(head.path, head.hasAnthropicVersion);
  const exchange = new Exchange(stages.createId(), head, downstream, dialect, nowMs());
  const relay = new Relay(exchange, stages);
  stages.onBegun(exchange);
  try {
    checkFraming(head);
    if (downstream.lacksCertificate) {
      throw new GatewayError('client_certificate_required', CERTIFICATE_WANTED);
    }
    checkTarget(head.path, head.query);
    if (head.timeout !== null) {
      relay.limitTime(readTimeoutMs(head.timeout));
    }
    exchange.identity = stages.keys.identify(head);
    const overload = stages.gate.check(stages.workerInFlight, exchange.identity.consumerIndex);
    if (overload !== null) {
      relay.refuse(overload);
      return;
    }
    stages.admission.prepare(exchange);
    const listed = stages.modelList.answer(exchange);
    if (listed !== null) {
      relay.answer(200, listed);
      return;
    }
    stages.bodies.inspect(exchange, new Inspection(stages, exchange, relay));
  } catch (error) {
    relay.refuse(error);
  }
}

class Inspection implements InspectOutcome, Deferred {
  readonly #stages: Stages;
  readonly #exchange: Exchange;
  readonly #relay: Relay;

  constructor(stages: Stages, exchange: Exchange, relay: Relay) {
    this.#stages = stages;
    this.#exchange = exchange;
    this.#relay = relay;
  }

  /** Where there are many, those of a turn are passed on in a row; a body that is lent can't wait. */
  onInspected({ body }: Exchange): void {
    const { workerInFlight, row } = this.#stages;
    if (workerInFlight < BOUNDS.turnRowFrom || body?.isBorrowed === true) {
      this.run();
    } else {
      row.add(this);
    }
  }

  run(): void {
    admit(this.#stages, this.#exchange, this.#relay);
  }

  onRefused(_exchange: Exchange, error: unknown): void {
    this.#relay.refuse(error);
  }
}

/** Perhaps at the end of the turn in which the request was read. */
function admit(stages: Stages, exchange: Exchange, relay: Relay): void {
  if (exchange.ended !== null) {
    return;
  }
  try {
    const { attempts } = stages;
    const entry = attempts.models.find(exchange.model, exchange.dialect);
    const target = findFirst(attempts, exchange, entry);
    turnToTarget(exchange, target, attempts.forwarder);
    if (target.wholeMs > 0) {
      relay.limitTime(target.wholeMs);
    }
    const counting = stages.admission.admit(exchange);
    if (counting === null) {
      passOn(stages, exchange, entry, target, relay);
    } else {
      counting.then(
        () => passOn(stages, exchange, entry, target, relay),
        (error: unknown) => relay.refuse(error),
      );
    }
  } catch (error) {
    relay.refuse(error);
  }
}

/** Perhaps after a wait, in which the client may have gone. */
function passOn(
  { attempts: parts }: Stages,
  exchange: Exchange,
  entry: ModelEntry,
  target: Target,
  relay: Relay,
): void {
  try {
    if (exchange.ended !== null) {
      return;
    }
    const { isSingle, hedges } = parts.plans.of(entry);
    if (isSingle) {
      beginDirect(parts, exchange, target);
      relay.begin(parts.forwarder.forward(exchange, target, relay));
      return;
    }
    const Attempt = hedges === null ? FirstAttempt : Attempts;
    const attempt = new Attempt(parts, exchange, entry, target, relay);
    relay.begin(attempt);
    attempt.start();
  } catch (error) {
    relay.refuse(error);
  }
}

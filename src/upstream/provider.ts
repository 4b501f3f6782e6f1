/**
 * One worker's connections to one provider: a stack of idle ones, a bound on open ones, and a queue that is
 * bounded in length and time (P-20). The most recently used connection is taken first, so that the spare ones
 * grow old and close.
 */
import type { ProviderConfig, TlsMaterial } from '../config/model.js';
import { nowMs } from '../core/clock.js';
import type { DeadlineList, Deadlines } from '../core/deadlines.js';
import { GatewayError } from '../core/errors.js';
import type { Lookup } from './addresses.js';
import { type CallHost, UpstreamCall, type UpstreamObserver } from './call.js';
import { type CallTimeouts, createCallTimeouts } from './call-timeouts.js';
import { type Dial, Dialer } from './dial.js';
import type { Engine, UpstreamConnection, UpstreamRequest } from './engine.js';
import { LeanEngine } from './lean-engine.js';
import { UndiciEngine } from './undici-engine.js';
import { WarmConnections, type WarmHost } from './warm-connections.js';

/** What one worker may use of what the whole gateway may. */
export interface ProviderShare {
  readonly connectionsMax: number;
  readonly queueMax: number;
  /** Connections that are kept open in advance. */
  readonly warm: number;
}

export function shareOfWorker(config: ProviderConfig, workers: number): ProviderShare {
  const connectionsMax = Math.max(1, Math.ceil(config.connections.max / workers));
  return {
    connectionsMax,
    queueMax: Math.ceil(config.connections.queue / workers),
    warm: Math.min(connectionsMax, Math.ceil(config.connections.warm / workers)),
  };
}

export interface ProviderEvents {
  /** A connection was opened (+1) or closed (-1). */
  onConnections(delta: number): void;
  onQueue(delta: number): void;
  onQueueRefused(): void;
  /** A call has left the queue, for a connection or for good. */
  onWaited?(ms: number): void;
  /** A connection is open; `ms` is what that took. */
  onConnected?(ms: number): void;
  /** A request is sent once more: its connection was dead already. */
  onReplay(): void;
}

/** How connections are made, beside what the configuration says. */
export interface ProviderDialing {
  /** What the files of `tls` hold. */
  readonly tls?: TlsMaterial | null;
  /** In place of the system's resolver. */
  readonly lookup?: Lookup;
  readonly dnsTtlMs?: number;
}

export class Provider implements CallHost, WarmHost {
  readonly name: string;
  readonly config: ProviderConfig;
  /** Where a call brings none of its own: the provider's, without one for the first token. */
  readonly #timeouts: CallTimeouts;
  readonly #connectDeadlines: DeadlineList;
  readonly #queueDeadlines: DeadlineList;
  readonly #share: ProviderShare;
  readonly #events: ProviderEvents;
  readonly #dialer: Dialer;
  readonly #engine: Engine;
  readonly #idle: UpstreamConnection[] = [];
  readonly #connections = new Set<UpstreamConnection>();
  /** In the order of arrival; a Set, so that a call that is cancelled leaves at once. */
  readonly #queue = new Set<UpstreamCall>();
  readonly #warm: WarmConnections;
  /** Connections that are open or being opened. */
  #opened = 0;
  #isClosed = false;

  constructor(
    config: ProviderConfig,
    share: ProviderShare,
    deadlines: Deadlines,
    events: ProviderEvents,
    dialing: ProviderDialing = {},
  ) {
    const url = new URL(config.baseUrl);
    this.name = config.name;
    this.config = config;
    this.#share = share;
    this.#events = events;
    this.#dialer = new Dialer({
      name: config.name,
      baseUrl: url,
      proxyUrl: config.proxyUrl,
      tls: dialing.tls ?? null,
      lookup: dialing.lookup,
      dnsTtlMs: dialing.dnsTtlMs,
    });
    const { keepAliveMs } = config.connections;
    this.#engine =
      config.engine === 'undici'
        ? new UndiciEngine(url.origin, keepAliveMs)
        : new LeanEngine(url.host, deadlines.shareList('keep_alive', keepAliveMs));
    this.#timeouts = createCallTimeouts(deadlines, config.timeouts, null, null);
    this.#connectDeadlines = deadlines.shareList('connect', config.timeouts.connectMs);
    this.#queueDeadlines = deadlines.shareList('queue', config.connections.queueTimeoutMs);
    this.#warm = new WarmConnections(this, share.warm, this.#connectDeadlines);
    this.#warm.fill();
  }

  /** @throws GatewayError `queue_full`. Every other failure is told to the observer. */
  send(
    request: UpstreamRequest,
    observer: UpstreamObserver,
    timeouts: CallTimeouts = this.#timeouts,
  ): UpstreamCall {
    const call = new UpstreamCall(this, request, observer, timeouts);
    const connection = this.#takeIdle();
    if (connection !== null) {
      call.start(connection, true);
    } else if (this.#opened < this.#share.connectionsMax) {
      call.keepBody();
      this.#open(call);
    } else if (this.#queue.size < this.#share.queueMax) {
      call.keepBody();
      this.#queue.add(call);
      this.#events.onQueue(1);
      this.#queueDeadlines.add(call);
    } else {
      this.#events.onQueueRefused();
      throw new GatewayError(
        'queue_full',
        `All connections to provider "${this.name}" are busy and its queue is full.`,
        {
          retryAfterMs: 1000,
        },
      );
    }
    return call;
  }

  release(connection: UpstreamConnection): void {
    if (this.#queue.size === 0) {
      // One that is not usable closes by itself and is never taken.
      this.#idle.push(connection);
    } else {
      // The engine may close the connection after this call, so it is looked at when that has returned.
      queueMicrotask(() => {
        this.#idle.push(connection);
        this.#serveQueue();
      });
    }
  }

  withdraw(call: UpstreamCall): void {
    if (this.#queue.delete(call)) {
      this.#leaveQueue(call);
    } else {
      this.#countClosed();
    }
  }

  resend(call: UpstreamCall): void {
    this.#events.onReplay();
    // Not an idle one: if the provider has closed all of them, the next is as dead as the one before. Nor does it wait
    // its turn a second time: its dead connection is closed, though it counts until its socket says so in this turn.
    this.#open(call);
  }

  get openedCount(): number {
    return this.#opened;
  }

  openIdle(onOpen: () => void, onFailed: () => void): Dial {
    return this.#connect((connection) => {
      connection.rest();
      this.release(connection);
      onOpen();
    }, onFailed);
  }

  giveUpIdle(): void {
    this.#countClosed();
  }

  /** Closes every connection. Calls that still run hear nothing of it: their exchanges must be over. */
  close(): void {
    this.#isClosed = true;
    this.#warm.close();
    this.#dialer.close();
    for (const connection of this.#connections) {
      connection.destroy();
    }
    this.#idle.length = 0;
  }

  #takeIdle(): UpstreamConnection | null {
    for (
      let connection = this.#idle.pop();
      connection !== undefined;
      connection = this.#idle.pop()
    ) {
      if (connection.isUsable && !connection.address.isGone) {
        this.#dialer.addresses.noteUse();
        return connection;
      }
      // One that is kept by nobody must not count as open until its server closes it.
      connection.destroy();
    }
    return null;
  }

  #open(call: UpstreamCall): void {
    call.phase = 'connecting';
    this.#connectDeadlines.add(call);
    call.dial = this.#connect(
      (connection, ms) => {
        call.waitedMs += ms;
        call.start(connection, false);
      },
      (error) => call.fail(error, 'connecting'),
    );
  }

  /** @param onOpen is told how long it took. */
  #connect(
    onOpen: (connection: UpstreamConnection, ms: number) => void,
    onFailed: (error: Error) => void,
  ): Dial {
    const startMs = nowMs();
    this.#opened += 1;
    this.#events.onConnections(1);
    return this.#engine.connect(this.#dialer, {
      onOpen: (connection) => {
        this.#connections.add(connection);
        const ms = nowMs() - startMs;
        this.#events.onConnected?.(ms);
        onOpen(connection, ms);
      },
      onFailed: (error) => {
        this.#countClosed();
        onFailed(error);
      },
      onClosed: (connection) => {
        this.#connections.delete(connection);
        const at = this.#idle.lastIndexOf(connection);
        if (at >= 0) {
          this.#idle.splice(at, 1);
        }
        this.#countClosed();
      },
    });
  }

  #countClosed(): void {
    this.#opened -= 1;
    this.#events.onConnections(-1);
    if (this.#queue.size > 0) {
      queueMicrotask(() => this.#serveQueue());
    } else if (this.#opened < this.#share.warm) {
      queueMicrotask(() => this.#warm.fill());
    }
  }

  #leaveQueue(call: UpstreamCall): void {
    const ms = nowMs() - call.deadlineStartMs;
    call.waitedMs += ms;
    this.#events.onQueue(-1);
    this.#events.onWaited?.(ms);
  }

  #serveQueue(): void {
    while (this.#queue.size > 0 && !this.#isClosed) {
      const connection = this.#takeIdle();
      if (connection === null && this.#opened >= this.#share.connectionsMax) {
        return;
      }
      const [call] = this.#queue as Set<UpstreamCall>;
      if (call === undefined) {
        return;
      }
      this.#queue.delete(call);
      this.#leaveQueue(call);
      if (connection === null) {
        this.#open(call);
      } else {
        call.start(connection, true);
      }
    }
  }
}

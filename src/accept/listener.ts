/**
 * The public port of one thread: takes connections of its own port or from the primary's acceptor, and hands every
 * request to one function. The caller of a request is never told anything here.
 */
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';
import { FrontApp, type FrontAppOptions } from './front-app.js';
import { type AcceptorApp, hasAcceptorCalls } from './uws.js';

export type { TlsFiles } from './front-app.js';
export type ListenerOptions = FrontAppOptions;

export class Listener {
  readonly #options: ListenerOptions;
  /** Takes the new connections. */
  #front: FrontApp;
  /** Former ones whose connections are still open. */
  readonly #retired = new Set<FrontApp>();
  #address: { readonly host: string; readonly port: number } | null = null;

  /** @throws Error where the files of `tls` can’t be used; uWebSockets.js does not say why. */
  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#front = new FrontApp(options);
  }

  /**
   * Listens with SO_REUSEPORT, so that every worker can listen on the same port, and during an upgrade the next server;
   * unless exclusively.
   *
   * @returns the port; differs from the one asked for if that was 0.
   * @throws Error when the address can't be listened on. The primary has tried it before and knows why.
   */
  listen(host: string, port: number, exclusively = false): number {
    const bound = this.#front.listen(host, port, exclusively);
    this.#address = { host, port: bound };
    return bound;
  }

  /**
   * Reads the files of `tls` again: from now on new connections get what they hold. A uWebSockets.js app keeps the
   * certificate it was made with, so another one listens beside it (SO_REUSEPORT) before the old one stops. Connections
   * that are open go on; their clients are told to connect anew with the next answer. Where nothing listens: nothing.
   *
   * What the kernel has accepted for the old socket but not handed over yet is reset when that closes, unless
   * `net.ipv4.tcp_migrate_req` is on; so it closes when the loop has nothing else to do.
   *
   * @throws Error when the files can't be used, or too many former certificates are still in use; then nothing changed.
   */
  reloadCertificate(): void {
    if (this.#options.tls === null || this.#address === null) {
      return;
    }
    if (this.#retired.size >= BOUNDS.retiredCertificatesMax) {
      throw new Error(`${this.#retired.size} former certificates are still in use by connections`);
    }
    const next = new FrontApp(this.#options);
    try {
      next.listen(this.#address.host, this.#address.port, false);
    } catch (error) {
      next.close();
      throw error;
    }
    const former = this.#front;
    this.#front = next;
    this.#retired.add(former);
    awaitQuietTurn(() => {
      if (this.#retired.has(former)) {
        former.retire(() => this.#closeRetired(former));
      }
    });
  }

  /** Whether this binary can take connections from an acceptor and be one. */
  get canShard(): boolean {
    return hasAcceptorCalls(this.#front.app);
  }

  /** To be handed to the acceptor in another thread. */
  getDescriptor(): unknown {
    return this.#acceptorApp().getDescriptor();
  }

  /** From now on connections that this app accepts go to its children in turn. */
  addChild(descriptor: unknown): void {
    this.#acceptorApp().addChildAppDescriptor(descriptor);
  }

  /** Must have happened before the child's thread ends, else the next accept ends the process (T-1). */
  removeChild(descriptor: unknown): void {
    this.#acceptorApp().removeChildAppDescriptor(descriptor);
  }

  /** New connections are refused; those that are open go on. */
  stopListening(): void {
    this.#address = null;
    this.#front.stopListening();
  }

  /** Closes every connection that is left, at once. */
  close(): void {
    this.stopListening();
    for (const former of this.#retired) {
      former.close();
    }
    this.#retired.clear();
    this.#front.close();
  }

  #closeRetired(former: FrontApp): void {
    if (this.#retired.delete(former)) {
      former.close();
    }
  }

  #acceptorApp(): AcceptorApp {
    const { app } = this.#front;
    if (!hasAcceptorCalls(app)) {
      throw new Error('this uWebSockets.js binary has no acceptor calls');
    }
    return app;
  }
}

/** A turn of the loop that takes no longer has had hardly anything to do, and has just asked for new connections. */
const QUIET_TURN_MS = 0.1;
const TURNS_MAX = 500;

/** While something is to be done immediately the loop does not wait, so a quiet turn takes some microseconds. */
function awaitQuietTurn(onQuiet: () => void): void {
  let turnsLeft = TURNS_MAX;
  let beforeMs = nowMs();
  const look = (): void => {
    const now = nowMs();
    turnsLeft -= 1;
    if (now - beforeMs < QUIET_TURN_MS || turnsLeft === 0) {
      onQuiet();
    } else {
      beforeMs = now;
      setImmediate(look);
    }
  };
  setImmediate(look);
}

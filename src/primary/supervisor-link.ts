/** The server's end of the channel to its supervisor. */
import type { Socket } from 'node:net';
import type { ListenAddress } from '../config/model.js';
import {
  type FromSupervisor,
  INHERITANCE_VARIABLE,
  type Inheritance,
  isMessage,
  type ToSupervisor,
} from '../supervisor/protocol.js';
import { describeListenError } from './endpoint.js';

export interface SupervisorEvents {
  onSignal(signal: 'SIGTERM' | 'SIGINT' | 'SIGHUP'): void;
  onAdminConnection(socket: Socket): void;
  onHandOver(): void;
  onTakeOver(payload: string | null): void;
  /** Another server asks; what is returned is its answer. Never rejects. */
  onAsk(payload: unknown): Promise<unknown>;
  onTell(payload: unknown): void;
  onAlone(): void;
  /** The supervisor is gone. */
  onOrphaned(): void;
}

const SUPERVISOR_GONE: FromSupervisor = {
  kind: 'admin-refused',
  code: '',
  message: 'the supervisor is gone',
};

export class SupervisorLink {
  readonly inheritance: Inheritance;
  readonly #process: NodeJS.Process;
  readonly #asked = new Map<number, (answer: unknown) => void>();
  #lastAsked = 0;
  #onAdmin: ((message: FromSupervisor) => void) | null = null;
  #isClosed = false;
  /** Messages that are on their way to the channel. */
  #sending = 0;

  /** @returns null where this process was started without a supervisor. */
  static find(): SupervisorLink | null {
    const text = process.env[INHERITANCE_VARIABLE];
    if (text === undefined || process.send === undefined) return null;
    // Not for whatever this process may start itself.
    delete process.env[INHERITANCE_VARIABLE];
    return new SupervisorLink(JSON.parse(text) as Inheritance);
  }

  private constructor(inheritance: Inheritance) {
    this.inheritance = inheritance;
    this.#process = process;
  }

  /** What was sent before is delivered now. */
  listen(events: SupervisorEvents): void {
    this.#process.on('disconnect', () => {
      if (this.#isClosed) return;
      this.#onAdmin?.(SUPERVISOR_GONE);
      events.onOrphaned();
    });
    this.#process.on('message', (value: unknown, socket: unknown) => {
      if (isMessage(value)) this.#onMessage(value as FromSupervisor, socket as Socket, events);
    });
    if (!this.#process.connected) events.onOrphaned();
  }

  #onMessage(message: FromSupervisor, socket: Socket, events: SupervisorEvents): void {
    switch (message.kind) {
      case 'admin-listening':
      case 'admin-refused':
        this.#onAdmin?.(message);
        break;
      case 'admin-connection':
        // The client may have gone on the way; then there is none.
        if (socket !== undefined) events.onAdminConnection(socket);
        break;
      case 'signal':
        events.onSignal(message.signal);
        break;
      case 'hand-over':
        events.onHandOver();
        break;
      case 'take-over':
        events.onTakeOver(message.payload);
        break;
      case 'ask':
        void events.onAsk(message.payload).then((payload) => {
          this.send({ kind: 'answer', to: message.from, id: message.id, payload });
        });
        break;
      case 'answer':
        this.#asked.get(message.id)?.(message.payload);
        break;
      case 'tell':
        events.onTell(message.payload);
        break;
      case 'alone':
        events.onAlone();
        break;
    }
  }

  send(message: ToSupervisor): void {
    if (!this.#process.connected) return;
    this.#sending += 1;
    this.#process.send?.(message, undefined, {}, () => {
      this.#sending -= 1;
      if (this.#isClosed && this.#sending === 0) this.#disconnect();
    });
  }

  /** @throws OperatorError where the supervisor can't listen there. */
  listenAdmin({ host, port }: ListenAddress): Promise<ListenAddress> {
    return new Promise((resolve, reject) => {
      this.#onAdmin = (message) => {
        if (message.kind === 'admin-listening') {
          resolve({ host: message.host, port: message.port });
        } else if (message.kind === 'admin-refused') {
          const error = Object.assign(new Error(message.message), { code: message.code });
          reject(describeListenError('admin', { host, port }, error) ?? error);
        }
      };
      // It may have gone before anything was said to it, and then nothing more is heard of it.
      if (this.#process.connected) this.send({ kind: 'listen-admin', host, port });
      else this.#onAdmin(SUPERVISOR_GONE);
    });
  }

  /** Asks the server that serves now; null: it did not answer in time. */
  ask(payload: unknown, timeoutMs: number): Promise<unknown> {
    this.#lastAsked += 1;
    const id = this.#lastAsked;
    return new Promise((resolve) => {
      const settle = (answer: unknown): void => {
        clearTimeout(timer);
        this.#asked.delete(id);
        resolve(answer);
      };
      const timer = setTimeout(() => settle(null), timeoutMs);
      this.#asked.set(id, settle);
      this.send({ kind: 'ask', id, payload });
    });
  }

  /** For a server that has ended in order but can only be killed. Resolves when it was said, or nobody listens. */
  sayEnded(code: number): Promise<void> {
    return new Promise((resolve) => {
      const message: ToSupervisor = { kind: 'ended', code };
      if (this.#process.connected) this.#process.send?.(message, undefined, {}, () => resolve());
      else resolve();
    });
  }

  /** Without it the process would not end by itself. */
  close(): void {
    this.#isClosed = true;
    if (this.#sending === 0) this.#disconnect();
  }

  #disconnect(): void {
    if (this.#process.connected) this.#process.disconnect();
  }
}

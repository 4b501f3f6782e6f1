/**
 * The parent process. It runs no native code and serves nothing, so that it outlives whatever befalls a server: it
 * starts the server process, starts it again when it dies, passes signals on, and on SIGUSR2 puts a new one in its place
 * without a lost request (docs/operations.md). It ends when no server is left, with the server's exit code.
 */
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';
import { AdminPort } from './admin-port.js';
import type { BoundPort, FromSupervisor, ToSupervisor } from './protocol.js';
import { PROTOCOL } from './protocol.js';
import type { Report } from './report.js';
import { RestartDelay } from './restart-delay.js';
import { type Command, ServerProcess } from './server-process.js';

export interface SupervisorOptions {
  /** Asked for at every start. */
  readonly command: () => Command;
  readonly report: Report;
  /** Called with the exit code when no server is left and none will be started. */
  readonly onEnded: (exitCode: number) => void;
}

type StopSignal = 'SIGTERM' | 'SIGINT';

/** What is known of a hand-over that has begun; it can't be taken back. */
interface HandOver {
  /** null: not told yet. */
  payload: string | null;
  /** For the server that takes over, once it has been told. */
  readonly queue: FromSupervisor[];
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #report: Report;
  readonly #admin = new AdminPort();
  readonly #restartDelay = new RestartDelay();
  /** The one that serves, or is being started while none does. */
  #current: ServerProcess | null = null;
  /** Being started beside the current one. */
  #successor: ServerProcess | null = null;
  /** Those before the current one, which let run what runs. */
  readonly #draining = new Set<ServerProcess>();
  #handOver: HandOver | null = null;
  #lastNumber = 0;
  #listen: BoundPort | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isStopping = false;
  /** When it was last asked to stop, by a signal of its own and by one that a server got. */
  readonly #askedMs = { own: Number.NEGATIVE_INFINITY, server: Number.NEGATIVE_INFINITY };
  #exitCode = 0;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#report = options.report;
  }

  start(): void {
    this.#current = this.#spawn(false);
  }

  /**
   * What runs may end; asked again, it is cut. A signal to the whole group, as a terminal and systemd send it, comes twice
   * and is one: the servers' own tell of theirs.
   */
  stop(signal: StopSignal, by: 'own' | 'server' = 'own'): void {
    const other = by === 'own' ? 'server' : 'own';
    const now = nowMs();
    this.#askedMs[by] = now;
    if (now - this.#askedMs[other] < BOUNDS.signalTwinMs) return;
    this.#isStopping = true;
    if (this.#handOver === null && this.#successor !== null) {
      // It serves nobody yet.
      this.#successor.kill('SIGKILL');
    }
    for (const server of this.#living()) server.send({ kind: 'signal', signal });
    this.#endIfAlone();
  }

  reload(): void {
    this.#current?.send({ kind: 'signal', signal: 'SIGHUP' });
  }

  upgrade(): void {
    const refusal = this.#refuseUpgrade();
    if (refusal !== null) {
      this.#report('warn', `SIGUSR2: ${refusal}; nothing was changed`);
      return;
    }
    this.#startSuccessor();
    this.#report('info', 'upgrade: a new server is being started', {
      pid: this.#successor?.pid ?? 0,
    });
  }

  #refuseUpgrade(): string | null {
    if (this.#isStopping) return 'the server is about to end';
    if (this.#successor !== null || this.#handOver !== null) return 'an upgrade is under way';
    if (this.#current?.isReady !== true) return 'the server is being started';
    if (this.#draining.size >= BOUNDS.drainingServersMax) {
      return `${this.#draining.size} servers before this one still let run what runs`;
    }
    return null;
  }

  #spawn(isSuccessor: boolean): ServerProcess {
    this.#lastNumber += 1;
    const inheritance = { protocol: PROTOCOL, listen: this.#listen, isSuccessor };
    return new ServerProcess(this.#lastNumber, this.#options.command(), inheritance, {
      onMessage: (server, message) => this.#onMessage(server, message),
      onEnded: (server, code, signal) => this.#onServerEnded(server, code, signal),
    });
  }

  #startSuccessor(): void {
    const successor = this.#spawn(true);
    this.#successor = successor;
    this.#setTimer(BOUNDS.successorReadyMs, () => {
      this.#report('error', 'upgrade: the new server does not get ready; it is ended');
      successor.kill('SIGKILL');
    });
  }

  #onMessage(server: ServerProcess, message: ToSupervisor): void {
    switch (message.kind) {
      case 'listen-admin':
        void this.#listenAdmin(server, message);
        break;
      case 'signalled':
        this.stop(message.signal, 'server');
        break;
      case 'holding':
        if (server === this.#successor) this.#beginHandOver(server);
        break;
      case 'ready':
        this.#onReady(server, message.listen);
        break;
      case 'handed-over':
        this.#onHandedOver(server, message.payload);
        break;
      case 'ask':
        this.#tellServing({ ...message, from: server.number });
        break;
      case 'answer':
        this.#find(message.to)?.send(message);
        break;
      case 'tell':
        this.#tellServing(message);
        break;
    }
  }

  async #listenAdmin(
    server: ServerProcess,
    { host, port }: { readonly host: string; readonly port: number },
  ): Promise<void> {
    server.admin = { host, port };
    try {
      server.send({ kind: 'admin-listening', ...(await this.#admin.listen({ host, port })) });
      if (server === this.#current) this.#direct(server);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      server.send({ kind: 'admin-refused', code: code ?? '', message });
    }
  }

  #direct(server: ServerProcess): void {
    this.#admin.direct((socket) => server.handConnection(socket));
  }

  #beginHandOver(successor: ServerProcess): void {
    this.#clearTimer();
    if (this.#handOver === null) {
      this.#handOver = { payload: null, queue: [] };
      this.#current?.send({ kind: 'hand-over' });
    }
    if (this.#handOver.payload !== null || this.#current === null) {
      this.#passOn(successor);
      return;
    }
    this.#setTimer(BOUNDS.handOverMs, () => {
      this.#report('warn', 'upgrade: the old server did not hand its buckets over in time');
      this.#passOn(successor);
    });
  }

  #onHandedOver(server: ServerProcess, payload: string): void {
    if (this.#handOver === null || server !== this.#current) return;
    this.#handOver.payload = payload;
    // Where there is none it has died meanwhile, and the next one gets it.
    if (this.#successor !== null) this.#passOn(this.#successor);
  }

  #passOn(successor: ServerProcess): void {
    this.#clearTimer();
    successor.send({ kind: 'take-over', payload: this.#handOver?.payload ?? null });
    for (const message of this.#handOver?.queue.splice(0) ?? []) successor.send(message);
  }

  #onReady(server: ServerProcess, listen: BoundPort): void {
    this.#listen = listen;
    server.markReady();
    if (server === this.#successor) {
      const old = this.#current;
      if (old !== null) this.#draining.add(old);
      this.#clearTimer();
      // What was said between the two messages is for the new one, too.
      for (const message of this.#handOver?.queue.splice(0) ?? []) server.send(message);
      this.#current = server;
      this.#successor = null;
      this.#handOver = null;
      this.#report('info', 'upgrade: the new server serves', {
        pid: server.pid,
        old_pid: old?.pid ?? null,
      });
      this.#sayAlone();
    }
    this.#direct(server);
    if (server.admin !== null) this.#admin.keepOnly(server.admin);
  }

  /** From the moment that the old server is asked to hand over, messages for the one that serves wait for the new one. */
  #tellServing(message: FromSupervisor): void {
    const handOver = this.#handOver;
    if (handOver === null) this.#current?.send(message);
    else if (handOver.queue.length < BOUNDS.handOverQueueMax) handOver.queue.push(message);
  }

  #onServerEnded(server: ServerProcess, code: number | null, signal: NodeJS.Signals | null): void {
    const fields = { pid: server.pid, code, signal };
    const isDiscarded = server === this.#successor && this.#handOver === null;
    if (this.#isStopping && !isDiscarded) this.#exitCode ||= code ?? 1;
    if (server === this.#successor) this.#onSuccessorLost(fields);
    else if (this.#draining.delete(server)) this.#onDrained(fields);
    else this.#onCurrentLost(server, fields);
    this.#endIfAlone();
  }

  #onDrained(fields: { readonly pid: number; readonly code: number | null }): void {
    if (fields.code === 0) this.#report('info', 'the server before this one has ended', fields);
    else this.#report('error', 'the server before this one died while it drained', fields);
    this.#sayAlone();
  }

  /** During a hand-over the server that goes is one more before the next, though it does not drain yet. */
  #sayAlone(): void {
    if (this.#draining.size === 0 && this.#handOver === null) this.#tellServing({ kind: 'alone' });
  }

  #onSuccessorLost(fields: { readonly pid: number; readonly code: number | null }): void {
    this.#successor = null;
    this.#clearTimer();
    if (this.#isStopping) return;
    if (this.#handOver !== null) {
      this.#report('error', 'upgrade: the new server died; it is started again', fields);
      this.#setTimer(this.#restartDelay.next(0), () => this.#startSuccessor());
    } else if (this.#current === null) {
      this.#report('error', 'upgrade: both servers died; one is started again', fields);
      this.#setTimer(this.#restartDelay.next(0), () => this.start());
    } else {
      this.#report('error', 'upgrade: the new server ended; the old one goes on', fields);
    }
  }

  #onCurrentLost(
    server: ServerProcess,
    fields: { readonly pid: number; readonly code: number | null; readonly signal: string | null },
  ): void {
    this.#current = null;
    this.#admin.direct(null);
    if (this.#isStopping) return;
    if (this.#listen === null) {
      // Nothing has ever served here: it said why on stderr, if it could.
      if (fields.signal !== null) this.#report('error', 'the server died before it served', fields);
      this.#isStopping = true;
      this.#exitCode = fields.code ?? 1;
      return;
    }
    if (this.#successor !== null || this.#handOver !== null) {
      this.#report('error', 'upgrade: the old server died; the new one serves at once', fields);
      if (this.#handOver?.payload === null && this.#successor !== null) {
        this.#passOn(this.#successor);
      }
      return;
    }
    const delayMs = this.#restartDelay.next(server.servedMs);
    this.#report('error', 'the server died; it is started again', { ...fields, delay_ms: delayMs });
    if (delayMs === 0) this.start();
    else this.#setTimer(delayMs, () => this.start());
  }

  #endIfAlone(): void {
    if (this.#isStopping && this.#living().length === 0) {
      this.#clearTimer();
      this.#admin.close();
      this.#options.onEnded(this.#exitCode);
    }
  }

  #living(): ServerProcess[] {
    return [this.#current, this.#successor, ...this.#draining].filter((server) => server !== null);
  }

  #find(number: number): ServerProcess | undefined {
    return this.#living().find((server) => server.number === number);
  }

  /** There is one thing to wait for at a time. */
  #setTimer(ms: number, act: () => void): void {
    this.#clearTimer();
    this.#timer = setTimeout(act, ms);
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

/** One server process: started with its inheritance, spoken to over its IPC channel, and seen to its end. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';
import {
  type FromSupervisor,
  INHERITANCE_VARIABLE,
  type Inheritance,
  isMessage,
  type ToSupervisor,
} from './protocol.js';

export interface Command {
  /** The Node to run. Looked for anew at each start, so that a replaced file is a replaced Node. */
  readonly node: string;
  /** For Node, and then the program and its arguments. */
  readonly args: readonly string[];
}

export interface ServerEvents {
  onMessage(server: ServerProcess, message: ToSupervisor): void;
  /** Called once, also where it could not be started at all. */
  onEnded(server: ServerProcess, code: number | null, signal: NodeJS.Signals | null): void;
}

export class ServerProcess {
  /** Tells this server from those before and after it; from 1. */
  readonly number: number;
  readonly inheritance: Inheritance;
  readonly #child: ChildProcess;
  #readyMs = 0;
  #hasEnded = false;
  /** The exit code that it said itself; null: it said none. */
  #saidCode: number | null = null;
  /** Where it asked the admin port to be. */
  admin: { readonly host: string; readonly port: number } | null = null;

  constructor(number: number, command: Command, inheritance: Inheritance, events: ServerEvents) {
    this.number = number;
    this.inheritance = inheritance;
    this.#child = spawn(command.node, [...command.args], {
      env: { ...process.env, [INHERITANCE_VARIABLE]: JSON.stringify(inheritance) },
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    });
    const end = (code: number | null, signal: NodeJS.Signals | null): void => {
      if (this.#hasEnded) return;
      this.#hasEnded = true;
      events.onEnded(this, code ?? this.#saidCode, signal);
    };
    this.#child.on('message', (message: unknown) => {
      if (isMessage(message) && !this.#hasEnded) this.#onMessage(message as ToSupervisor, events);
    });
    this.#child.on('error', (error) => {
      // Of a message to a process that is about to end too; its end comes by itself.
      if (this.#child.pid === undefined) {
        process.stderr.write(`weir: ${command.node} can’t be started: ${error.message}\n`);
        end(1, null);
      }
    });
    this.#child.on('exit', (code, signal) => {
      // What it said last may still be in the channel.
      if (!this.#child.connected) end(code, signal);
      else {
        this.#child.once('disconnect', () => end(code, signal));
        setTimeout(() => end(code, signal), BOUNDS.lastWordsMs).unref();
      }
    });
  }

  #onMessage(message: ToSupervisor, events: ServerEvents): void {
    if (message.kind === 'ended') this.#saidCode = message.code;
    else events.onMessage(this, message);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isReady(): boolean {
    return this.#readyMs > 0;
  }

  /** How long it has been serving, or had been. */
  get servedMs(): number {
    return this.isReady ? nowMs() - this.#readyMs : 0;
  }

  markReady(): void {
    this.#readyMs = nowMs();
  }

  send(message: FromSupervisor): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  /** The socket is closed here as soon as the server has it. */
  handConnection(socket: Socket): void {
    if (!this.#child.connected) {
      socket.destroy();
      return;
    }
    const message: FromSupervisor = { kind: 'admin-connection' };
    this.#child.send(message, socket, { keepOpen: false }, (error) => {
      if (error !== null) socket.destroy();
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

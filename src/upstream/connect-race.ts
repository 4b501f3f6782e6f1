/**
 * Connects to the first of several addresses that answers (RFC 8305, "Happy Eyeballs"): one after the other, without
 * waiting for long. By hand, because Node's own way can't be told which address failed, and exchanges the handle below
 * a socket that reads into a given buffer.
 */
import type { Socket } from 'node:net';
import { BOUNDS } from '../core/bounds.js';
import type { Address } from './addresses.js';

export interface RaceEvents {
  /** A socket that connects, without waiting for it. */
  open(address: Address): Socket;
  /** TCP is connected; the race has no further part in the socket. */
  onWon(socket: Socket, address: Address): void;
  onAddressFailed(address: Address): void;
  /** All failed: the first one's error. */
  onLost(error: Error): void;
}

export class ConnectRace {
  readonly #addresses: readonly Address[];
  readonly #events: RaceEvents;
  readonly #sockets = new Set<Socket>();
  #next = 0;
  #timer: NodeJS.Timeout | null = null;
  #error: Error | null = null;
  #isOver = false;

  /** @param addresses at least one. */
  constructor(addresses: readonly Address[], events: RaceEvents) {
    this.#addresses = addresses;
    this.#events = events;
  }

  begin(): void {
    const address = this.#addresses[this.#next];
    if (address === undefined) {
      return;
    }
    this.#next += 1;
    clearTimeout(this.#timer ?? undefined);
    const socket = this.#events.open(address);
    this.#sockets.add(socket);
    const fail = (error: Error): void => this.#fail(socket, address, error);
    socket.on('error', fail);
    socket.once('connect', () => {
      if (!this.#isOver) {
        this.#sockets.delete(socket);
        this.cancel();
        socket.off('error', fail);
        this.#events.onWon(socket, address);
      }
    });
    if (this.#next < this.#addresses.length) {
      this.#timer = setTimeout(() => this.begin(), BOUNDS.connectAttemptMs);
    }
  }

  /** Ends all attempts; nobody is told. */
  cancel(): void {
    this.#isOver = true;
    clearTimeout(this.#timer ?? undefined);
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    this.#sockets.clear();
  }

  #fail(socket: Socket, address: Address, error: Error): void {
    if (this.#isOver) {
      return;
    }
    this.#sockets.delete(socket);
    socket.destroy();
    this.#error ??= error;
    this.#events.onAddressFailed(address);
    if (this.#next < this.#addresses.length) {
      this.begin();
    } else if (this.#sockets.size === 0) {
      this.#isOver = true;
      this.#events.onLost(this.#error);
    }
  }
}

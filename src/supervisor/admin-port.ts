/**
 * The admin port's listening socket. It is the supervisor's, so that it is never refused while servers come and go;
 * each connection is handed to the server that serves, which alone reads from it. Those that come while there is none
 * wait, within bounds.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { BOUNDS } from '../core/bounds.js';

export interface AdminAddress {
  readonly host: string;
  readonly port: number;
}

export class AdminPort {
  /** By the address as it was asked for. */
  readonly #servers = new Map<string, Server>();
  readonly #waiting: Socket[] = [];
  #take: ((socket: Socket) => void) | null = null;

  /**
   * Listens there, unless it does already.
   * @returns the address in use.
   * @throws NodeJS.ErrnoException
   */
  async listen(asked: AdminAddress): Promise<AdminAddress> {
    const name = nameOf(asked);
    let server = this.#servers.get(name);
    if (server === undefined) {
      server = createServer({ pauseOnConnect: true }, (socket) => this.#onConnection(socket));
      await listenAt(server, asked);
      this.#servers.set(name, server);
    }
    const bound = server.address();
    return typeof bound === 'object' && bound !== null
      ? { host: bound.address, port: bound.port }
      : asked;
  }

  /** Who gets connections from now on; null: nobody yet. */
  direct(take: ((socket: Socket) => void) | null): void {
    this.#take = take;
    if (take !== null) {
      for (const socket of this.#waiting.splice(0)) take(socket);
    }
  }

  /** Closes what an earlier configuration asked for. */
  keepOnly(asked: AdminAddress): void {
    for (const [name, server] of this.#servers) {
      if (name !== nameOf(asked)) {
        server.close();
        this.#servers.delete(name);
      }
    }
  }

  close(): void {
    for (const server of this.#servers.values()) server.close();
    this.#servers.clear();
    for (const socket of this.#waiting.splice(0)) socket.destroy();
  }

  #onConnection(socket: Socket): void {
    // A client that resets while it waits is no error of ours.
    socket.on('error', () => socket.destroy());
    if (this.#take !== null) {
      this.#take(socket);
      return;
    }
    this.#waiting.push(socket);
    if (this.#waiting.length > BOUNDS.adminWaitingMax) this.#waiting.shift()?.destroy();
  }
}

function nameOf({ host, port }: AdminAddress): string {
  return `${host} ${port}`;
}

function listenAt(server: Server, { host, port }: AdminAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      // Later errors are those of accepting (too many open files); the next accept may well succeed.
      server.on('error', () => {});
      resolve();
    });
  });
}

/** The verbs of a script for the upstream. Each is over when the next may begin. */
import { once } from 'node:events';
import { splitAt } from './byte-splits.js';
import { pause } from './changes.js';
import type { MockConnection } from './mock-connection.js';

export type Step = (connection: MockConnection) => Promise<void>;
export type Script = readonly Step[];

/** Writes and waits until the kernel has taken it. */
export function send(bytes: string | Buffer): Step {
  return (connection) => write(connection, toBytes(bytes));
}

/** Writes each piece on its own; `pauseMs` lies between them (0: one turn of the loop). */
export function sendSplit(bytes: string | Buffer, points: readonly number[], pauseMs = 0): Step {
  return async (connection) => {
    for (const [index, piece] of splitAt(toBytes(bytes), points).entries()) {
      if (!connection.isOpen) return;
      if (index > 0) await pause(pauseMs);
      await write(connection, piece);
    }
  };
}

/** Writes piece after piece and never more than the gateway takes; `connection.sent` shows stalls. */
export function sendMany(pieces: Iterable<Buffer>): Step {
  return async (connection) => {
    for (const piece of pieces) {
      if (!connection.isOpen) return;
      const isTaken = connection.socket.write(piece, () => connection.noteSent(piece.length));
      if (!isTaken) await Promise.race([once(connection.socket, 'drain'), connection.closed]);
    }
  };
}

export function waitMs(ms: number): Step {
  return () => pause(ms);
}

/** Holds the script until the test says go. */
export function waitFor(promise: Promise<unknown>): Step {
  return async () => {
    await promise;
  };
}

/** Says nothing more, for as long as the connection lives. */
export function stall(): Step {
  return (connection) => connection.closed;
}

/** The same; reads better at the end of a script that expects the gateway to hang up. */
export const waitForClose = stall;

/** Closes politely (FIN) what we write. */
export function fin(): Step {
  return async (connection) => {
    connection.noteOwnClose();
    connection.socket.end();
  };
}

/** Resets the connection. */
export function rst(): Step {
  return async (connection) => {
    connection.noteOwnClose();
    connection.socket.resetAndDestroy();
  };
}

/** Anything else: notes a time, opens a gate, changes what is read. */
export function run(action: (connection: MockConnection) => void): Step {
  return async (connection) => action(connection);
}

async function write(connection: MockConnection, bytes: Buffer): Promise<void> {
  await new Promise<void>((resolve) => {
    if (!connection.socket.writable) return resolve();
    connection.socket.write(bytes, () => {
      connection.noteSent(bytes.length);
      resolve();
    });
  });
}

function toBytes(bytes: string | Buffer): Buffer {
  return typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
}

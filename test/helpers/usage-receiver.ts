/** Somebody who takes delivered usage records, as badly as a test wants, and remembers what came. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { UsageRecord } from '../../src/usage/fields.js';

export interface Delivery {
  readonly key: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  readonly records: readonly UsageRecord[];
}

export type Behaviour = (delivery: Delivery, response: ServerResponse, number: number) => void;

export const take: Behaviour = (_delivery, response) => {
  response.writeHead(204).end();
};

export class UsageReceiver {
  /** All that came, taken or not. */
  readonly deliveries: Delivery[] = [];
  behaviour: Behaviour;
  readonly #server: Server;
  port = 0;

  constructor(behaviour: Behaviour = take) {
    this.behaviour = behaviour;
    this.#server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('error', () => {});
      request.on('end', () => {
        const body = Buffer.concat(pieces);
        const isText = request.headers['content-type'] === 'application/x-ndjson';
        const delivery = {
          key: String(request.headers['idempotency-key']),
          headers: request.headers,
          body,
          records: isText ? readLines(body) : [],
        };
        this.deliveries.push(delivery);
        this.behaviour(delivery, response, this.deliveries.length - 1);
      });
    });
  }

  /** @param port 0: any. */
  async listen(port = 0): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', resolve);
    });
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    this.port = address.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/usage`;
  }

  /** Once for each key, the last that came. */
  recordsByKey(): UsageRecord[] {
    const byKey = new Map(this.deliveries.map((delivery) => [delivery.key, delivery.records]));
    return [...byKey.values()].flat();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

function readLines(body: Buffer): UsageRecord[] {
  return body
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as UsageRecord);
}

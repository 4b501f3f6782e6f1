/**
 * Clients that want to hold connections, in a thread of their own: heads and bodies of which a byte comes every few
 * seconds, and readers of large answers that read nothing. They do not come back when they are cut. What became of the
 * senders is told; a reader that does not read sees no end, so that others must tell. All leave at the first message.
 */
import { connect, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

export interface AttackPlan {
  readonly port: number;
  readonly heads: number;
  readonly bodies: number;
  readonly readers: number;
  /** What each reader asks for. */
  readonly streamBytes: number;
  /** After which the senders that are still there are counted. */
  readonly patienceMs: number;
}

export type AttackerKind = 'heads' | 'bodies' | 'readers';

/** How it ended for one kind. */
export interface Ending {
  readonly kind: AttackerKind;
  readonly opened: number;
  /** Not cut within the patience. */
  readonly stillOpen: number;
  /** The longest that one of them lived. */
  readonly oldestMs: number;
}

const DRIP_MS = 3000;
/** How often is looked whether all are gone. */
const PROBE_MS = 250;

const STARTS: Readonly<Record<AttackerKind, (number: number, streamBytes: number) => string>> = {
  heads: () => 'POST /v1/slow HTTP/1.1\r\nHost: weir.test\r\nX-Slow: ',
  bodies: () => 'POST /v1/slow HTTP/1.1\r\nHost: weir.test\r\nContent-Length: 100000\r\n\r\n',
  readers: (number, bytes) =>
    `GET /v1/files/${number}/content?bytes=${bytes}${number % 2 === 0 ? '&chunked' : ''} HTTP/1.1\r\nHost: weir.test\r\n\r\n`,
};

class Attacker {
  readonly kind: AttackerKind;
  readonly socket: Socket;
  readonly #openedMs = performance.now();
  #closedMs: number | null = null;

  constructor(kind: AttackerKind, number: number, plan: AttackPlan) {
    this.kind = kind;
    this.socket = connect({ port: plan.port, host: '127.0.0.1' });
    if (kind === 'readers') this.socket.pause();
    this.socket.write(STARTS[kind](number, plan.streamBytes));
    this.socket.on('error', () => this.#close());
    this.socket.on('close', () => this.#close());
    if (kind !== 'readers') this.socket.resume();
  }

  get ageMs(): number | null {
    return this.#closedMs === null ? null : this.#closedMs - this.#openedMs;
  }

  /** One byte more. */
  drip(): void {
    if (this.#closedMs === null && this.socket.writable) this.socket.write('a');
  }

  #close(): void {
    this.#closedMs ??= performance.now();
    this.socket.destroy();
  }
}

function end(kind: AttackerKind, attackers: readonly Attacker[]): Ending {
  const own = attackers.filter((attacker) => attacker.kind === kind);
  const ages = own.map(({ ageMs }) => ageMs);
  return {
    kind,
    opened: own.length,
    stillOpen: ages.filter((age) => age === null).length,
    oldestMs: Math.max(0, ...ages.map((age) => age ?? Number.POSITIVE_INFINITY)),
  };
}

const KINDS: readonly AttackerKind[] = ['heads', 'bodies', 'readers'];

async function attack(plan: AttackPlan): Promise<[readonly Attacker[], readonly Ending[]]> {
  const attackers = KINDS.flatMap((kind) =>
    Array.from({ length: plan[kind] }, (_, number) => new Attacker(kind, number, plan)),
  );
  const senders = attackers.filter(({ kind }) => kind !== 'readers');
  const dripping = setInterval(() => {
    for (const sender of senders) sender.drip();
  }, DRIP_MS);
  const endMs = performance.now() + plan.patienceMs;
  const isOver = () => senders.every(({ ageMs }) => ageMs !== null) || performance.now() >= endMs;
  await new Promise<void>((resolve) => {
    const looking = setInterval(() => {
      if (!isOver()) return;
      clearInterval(looking);
      resolve();
    }, PROBE_MS);
  });
  clearInterval(dripping);
  return [attackers, [end('heads', senders), end('bodies', senders)]];
}

if (parentPort !== null) {
  const port = parentPort;
  const [attackers, endings] = await attack(workerData as AttackPlan);
  port.once('message', () => {
    for (const { socket } of attackers) socket.destroy();
    port.close();
  });
  port.postMessage(endings);
}

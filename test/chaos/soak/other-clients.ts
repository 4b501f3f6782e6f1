/** Beside clients that ask and wait: those that give up, read slowly, or upload. */
import { pause } from '../../helpers/changes.js';
import { renderRequest } from '../../helpers/http-text.js';
import { RawClient } from '../../helpers/raw-client.js';
import type { SeededRandom } from '../../helpers/seeded-random.js';
import { readSlowly } from '../../helpers/slow-reader.js';

export interface Counts {
  readonly giveUp: number;
  readonly readSlowly: number;
  readonly upload: number;
}

const UPLOAD_BYTES = 1_000_000;
const SLOW_BYTES = 2_000_000;
/** A megabyte a second, which the kernel's buffers do not hide. */
const SLOW_PACE = { biteBytes: 100_000, everyMs: 100 };
const PAUSE_MS_MAX = 400;
const ANSWER_MS = 60_000;

const HEADERS: readonly [string, string][] = [
  ['authorization', 'Bearer wk-others'],
  ['content-type', 'application/octet-stream'],
];
const MODELS = ['plain', 'hedged'] as const;

export class OtherClients {
  gaveUp = 0;
  readSlowly = 0;
  uploaded = 0;
  readonly faults: string[] = [];
  readonly #port: number;
  #isStopped = false;
  readonly #loops: Promise<void>[] = [];

  constructor(port: number, counts: Counts, random: SeededRandom) {
    this.#port = port;
    this.#start(counts.giveUp, random, (own) => this.#giveUp(own));
    this.#start(counts.readSlowly, random, () => this.#readSlowly());
    this.#start(counts.upload, random, () => this.#upload());
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#loops);
  }

  #start(count: number, random: SeededRandom, act: (own: SeededRandom) => Promise<void>): void {
    for (let number = 0; number < count; number++) this.#loops.push(this.#run(random.fork(), act));
  }

  async #run(random: SeededRandom, act: (own: SeededRandom) => Promise<void>): Promise<void> {
    while (!this.#isStopped) {
      await pause(random.integer(0, PAUSE_MS_MAX));
      await act(random).catch((error: unknown) => this.faults.push(String(error)));
    }
  }

  /** In whatever phase that is: a part of the request, a stream, a large answer, an upload. */
  async #giveUp(random: SeededRandom): Promise<void> {
    const messages = [{ role: 'user', content: 'os-given-up' }];
    const body = JSON.stringify({ model: random.pick(MODELS), stream: true, messages });
    const ask = renderRequest({ target: '/v1/chat/completions', headers: HEADERS, body });
    const large = renderRequest({
      target: '/v1/files/f/content?bytes=20000000',
      headers: HEADERS,
    });
    const wire = random.pick([ask, ask.subarray(0, ask.length - 20), large]);
    const client = await RawClient.connect({ port: this.#port, recordsBytes: false });
    client.send(wire);
    await pause(random.integer(0, 40));
    if (random.chance(0.5)) client.reset();
    else client.destroy();
    this.gaveUp += 1;
  }

  async #readSlowly(): Promise<void> {
    const client = await RawClient.connect({ port: this.#port, recordsBytes: false });
    const target = `/v1/files/f/content?bytes=${SLOW_BYTES}`;
    client.send(renderRequest({ target, headers: HEADERS }));
    await readSlowly(client, { ...SLOW_PACE, untilBytes: SLOW_BYTES });
    const isWhole = client.bytesReceived >= SLOW_BYTES;
    client.destroy();
    if (isWhole) this.readSlowly += 1;
    else this.faults.push(`a slow reader was cut after ${client.bytesReceived} bytes`);
  }

  async #upload(): Promise<void> {
    const client = await RawClient.connect({ port: this.#port });
    const body = Buffer.alloc(UPLOAD_BYTES);
    client.send(renderRequest({ target: '/v1/files', headers: HEADERS, body }));
    const answer = await client.readResponse({ timeoutMs: ANSWER_MS });
    client.destroy();
    const { bytes } = answer.status === 200 ? (answer.json() as { bytes?: unknown }) : {};
    if (bytes === UPLOAD_BYTES) this.uploaded += 1;
    else this.faults.push(`an upload was answered ${answer.status} ${answer.text.slice(0, 200)}`);
  }
}

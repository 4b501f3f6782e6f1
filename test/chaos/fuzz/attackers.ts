/** Clients that send mutated requests in careless pieces, and see that each connection is answered or closed in time. */
import { choosePoints } from '../../helpers/byte-splits.js';
import { pause } from '../../helpers/changes.js';
import { RawClient } from '../../helpers/raw-client.js';
import type { SeededRandom } from '../../helpers/seeded-random.js';
import { ProtocolViolation } from '../../helpers/strict-http.js';
import type { Corpus } from './corpus.js';
import { mutate } from './mutate.js';

/**
 * uWebSockets.js gives a client that says too little ten seconds, in steps of four; an exchange's own timeouts are shorter.
 * What lies beyond is a connection that nobody looks after.
 */
const HUNG_AFTER_MS = 40_000;
/** A request that is complete is answered by then; of others most clients give up. */
const ANSWER_MS = 300;
/** How often somebody waits for the gateway to close what will never be answered; others give up. */
const PATIENT = 0.01;
/** Requests that are valid, so that they come as far as the provider, which answers with mutated bytes. */
const VALID = 0.4;
const BYTES_MAX = 200_000;
const HUNG_KEPT = 10;

export class Attackers {
  sent = 0;
  /** Bytes of any answer came, or the gateway closed. */
  served = 0;
  /** Closed by the client, as planned. */
  givenUp = 0;
  hung = 0;
  /** The bytes that hung, to try them again. */
  readonly hungBytes: string[] = [];
  refused = 0;
  /** What was wrong with answers that were no HTTP. */
  readonly malformed: string[] = [];
  readonly #port: number;
  readonly #corpus: Corpus;
  readonly #patient: number;
  readonly #loops: Promise<void>[];
  #isStopped = false;

  /** @param isPatient false: nobody waits for the gateway to close, which takes half a minute at the end. */
  constructor(
    port: number,
    count: number,
    corpus: Corpus,
    random: SeededRandom,
    isPatient: boolean,
  ) {
    this.#port = port;
    this.#patient = isPatient ? PATIENT : 0;
    this.#corpus = corpus;
    this.#loops = Array.from({ length: count }, () => this.#run(random.fork()));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#loops);
  }

  async #run(random: SeededRandom): Promise<void> {
    while (!this.#isStopped) {
      const { valid, all } = this.#corpus;
      const isValid = random.chance(VALID);
      const bytes = isValid ? random.pick(valid) : mutate(random.pick(all), random, all);
      try {
        await this.#attack(bytes.subarray(0, BYTES_MAX), random, isValid);
      } catch {
        this.refused += 1;
        await pause(10);
      }
    }
  }

  async #attack(bytes: Buffer, random: SeededRandom, isValid: boolean): Promise<void> {
    const client = await RawClient.connect({ port: this.#port, recordsBytes: false });
    this.sent += 1;
    const isServed = (): true | undefined =>
      client.bytesReceived > 0 || client.closeKind !== 'open' ? true : undefined;
    try {
      const isSplit = random.chance(0.3);
      await client.sendSplit(bytes, isSplit ? choosePoints(bytes, random, { meanBytes: 200 }) : []);
      if (random.chance(0.1)) {
        client.reset();
        this.givenUp += 1;
        return;
      }
      if (isValid) {
        await this.#readAnswer(client, bytes);
        return;
      }
      const answered = await client.waitFor(isServed, ANSWER_MS, 'an answer').catch(() => false);
      if (answered === true) {
        this.served += 1;
      } else if (random.chance(this.#patient)) {
        await this.#outwait(client, bytes);
      } else {
        this.givenUp += 1;
      }
    } finally {
      client.destroy();
    }
  }

  /** Whatever the provider answered: to the client it is valid HTTP, cut perhaps. */
  async #readAnswer(client: RawClient, bytes: Buffer): Promise<void> {
    try {
      await client.readResponseOrClose({ timeoutMs: HUNG_AFTER_MS });
      this.served += 1;
    } catch (error) {
      if (error instanceof ProtocolViolation) this.malformed.push(error.message);
      else this.#noteHung(bytes);
    }
  }

  /** Until the gateway closes by itself: an answer is over, or 10 s of silence after it. */
  async #outwait(client: RawClient, bytes: Buffer): Promise<void> {
    try {
      await client.waitForClose(HUNG_AFTER_MS);
      this.served += 1;
    } catch {
      this.#noteHung(bytes);
    }
  }

  #noteHung(bytes: Buffer): void {
    this.hung += 1;
    if (this.hungBytes.length < HUNG_KEPT) this.hungBytes.push(bytes.toString('base64'));
  }
}

/**
 * Clients that ask one request after another over kept connections, each with an id of its own, and check that exactly
 * its answer comes, once.
 */
import { Changes, pause } from '../../helpers/changes.js';
import { renderRequest } from '../../helpers/http-text.js';
import { RawClient } from '../../helpers/raw-client.js';
import type { SeededRandom } from '../../helpers/seeded-random.js';
import type { HttpMessage } from '../../helpers/strict-http.js';
import { renderAsk } from './answers.js';
import { judgeAnswer } from './judge-answer.js';
import { chooseUsage, type Kind, readSpec, type Spec } from './spec.js';
import { Tally } from './tally.js';

/** Which of the clients ask what, and of which model and consumer. */
export interface CallerKind {
  readonly kind: Kind;
  readonly model: string;
  /** In the consumer's name: its books can be told from others'. */
  readonly books: 'json' | 'stream';
}

export interface Pace {
  /** Between an answer and the next request: from `min` to `max`. */
  readonly thinkMsMin: number;
  readonly thinkMsMax: number;
  /** For `x-weir-timeout`. */
  readonly deadlineMs: number;
}

/** What whole answers used, by consumer: the gateway's books must say the same. */
export interface Counted {
  asked: number;
  whole: number;
  /** Neither whole nor an answer that says nothing was used. */
  unsure: number;
  tokens: number;
}

/** A client's own patience; the gateway's must end before it. */
const LOST_AFTER_MS = 20_000;
/** What a loaded machine may add between the gateway's deadline and the client's look at its clock. */
const LATE_MS = 500;

export class Callers {
  readonly tallies: Tally[] = [];
  readonly books = new Map<string, Counted>();
  readonly #port: number;
  readonly #random: SeededRandom;
  #tally = new Tally('start');
  #part = 'a';
  #pace: Pace;
  #isStopped = false;
  #underWay = 0;
  #gate: Promise<void> | null = null;
  #openGate: () => void = () => {};
  readonly #changes = new Changes();
  #clients: Promise<void>[] = [];

  constructor(port: number, random: SeededRandom, pace: Pace) {
    this.#port = port;
    this.#random = random;
    this.#pace = pace;
    this.tallies.push(this.#tally);
  }

  start(count: number, kinds: readonly CallerKind[]): void {
    for (let number = 0; number < count; number++) {
      const kind = kinds[number % kinds.length];
      if (kind !== undefined) this.#clients.push(this.#runClient(number, kind));
    }
  }

  /** What is asked from now on is counted here. */
  turnTo(label: string): Tally {
    this.#tally = new Tally(label);
    this.tallies.push(this.#tally);
    return this.#tally;
  }

  /** @param part whose consumers ask from now on. */
  beginPart(part: string, pace: Pace): void {
    this.#part = part;
    this.#pace = pace;
  }

  /** Resolves when everything that was asked is answered; nobody asks before release(). */
  async hold(): Promise<void> {
    this.#gate ??= new Promise((resolve) => {
      this.#openGate = resolve;
    });
    const answered = (): true | undefined => (this.#underWay === 0 ? true : undefined);
    await this.#changes.until(answered, 2 * LOST_AFTER_MS, 'the last answers');
  }

  release(): void {
    this.#gate = null;
    this.#openGate();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.release();
    await Promise.all(this.#clients);
    this.#clients = [];
  }

  async #runClient(number: number, kind: CallerKind): Promise<void> {
    const random = this.#random.fork();
    let client: RawClient | null = null;
    for (let count = 0; !this.#isStopped; count++) {
      const { thinkMsMin, thinkMsMax } = this.#pace;
      await pause(random.integer(thinkMsMin, thinkMsMax));
      if (client === null || client.closeKind !== 'open') {
        client?.destroy();
        client = await RawClient.connect({ port: this.#port, recordsBytes: false });
      }
      if (this.#gate !== null) {
        // Longer than the gateway keeps a silent connection, perhaps.
        client.destroy();
        client = null;
        await this.#gate;
        continue;
      }
      this.#underWay += 1;
      const isKept = await this.#ask(client, readSpec(`${kind.kind}-${number}-${count}`), kind);
      this.#underWay -= 1;
      this.#changes.notify();
      if (!isKept) {
        client.destroy();
        client = null;
      }
    }
    client?.destroy();
  }

  /** @returns whether its connection can be used again. */
  async #ask(client: RawClient, spec: Spec, { model, books }: CallerKind): Promise<boolean> {
    const tally = this.#tally;
    const consumer = `${this.#part}-${books}`;
    const { deadlineMs } = this.#pace;
    const counted = this.#count(consumer);
    const { target, body } = renderAsk(spec, model);
    const headers: [string, string][] = [
      ['content-type', 'application/json'],
      ['authorization', `Bearer wk-${consumer}`],
      ['x-weir-timeout', `${deadlineMs}ms`],
    ];
    tally.asked += 1;
    counted.asked += 1;
    const sentMs = performance.now();
    client.send(renderRequest({ target, headers, body }));
    let answer: HttpMessage | null;
    try {
      answer = await client.readResponseOrClose({ timeoutMs: LOST_AFTER_MS });
    } catch (error) {
      tally.complain('lost', spec.id, `after ${performance.now() - sentMs} ms: ${String(error)}`);
      counted.unsure += 1;
      return false;
    }
    const lateMs = performance.now() - sentMs - deadlineMs;
    tally.lateMsMax = Math.max(tally.lateMsMax, lateMs);
    if (lateMs > LATE_MS) tally.late += 1;
    if (answer === null) {
      tally.complain('lost', spec.id, `closed (${client.closeKind}) without an answer`);
      counted.unsure += 1;
      return false;
    }
    this.#note(spec, answer, tally, counted, sentMs);
    return answer.complete && !/close/i.test(answer.header('connection') ?? '');
  }

  #note(spec: Spec, answer: HttpMessage, tally: Tally, counted: Counted, sentMs: number): void {
    const verdict = judgeAnswer(spec, answer);
    const attempts = Number(answer.header('x-weir-attempts') ?? 1);
    tally.extraAttempts += attempts - 1;
    if (verdict.kind === 'whole') {
      tally.whole += 1;
      counted.whole += 1;
      const { inputTokens, outputTokens } = chooseUsage(spec);
      counted.tokens += inputTokens + outputTokens;
      const firstByteMs = answer.headAtMs - sentMs;
      tally.firstByteMs.push(firstByteMs);
      (attempts > 1 ? tally.metMs : tally.unmetMs).push(firstByteMs);
      return;
    }
    counted.unsure += 1;
    if (verdict.kind === 'wrong') tally.complain('wrong', spec.id, verdict.what);
    else if (verdict.kind === 'cut') tally.cut += 1;
    else tally.noteError(verdict.status);
  }

  #count(consumer: string): Counted {
    let counted = this.books.get(consumer);
    if (counted === undefined) {
      counted = { asked: 0, whole: 0, unsure: 0, tokens: 0 };
      this.books.set(consumer, counted);
    }
    return counted;
  }
}

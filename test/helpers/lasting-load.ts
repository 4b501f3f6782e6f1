/**
 * Clients that go on while servers come and go: some ask for JSON over kept connections, with pauses in between, some
 * read event streams. Every answer is compared with what it must be. What went wrong is counted, not thrown.
 */
import { Changes, pause } from './changes.js';
import { renderRequest } from './http-text.js';
import { renderStream, type StreamShape } from './load.js';
import { RawClient } from './raw-client.js';
import type { HttpMessage } from './strict-http.js';

export interface LastingLoadOptions {
  readonly port: number;
  /** Clients that ask for JSON. */
  readonly askers: number;
  /** Clients that read streams of that shape. */
  readonly readers: number;
  readonly shape: StreamShape;
  /** The longest pause of an asker between two requests; they vary. */
  readonly pauseMsMax: number;
  /** The longest that one answer may take. */
  readonly answerMsMax?: number;
  readonly headers?: readonly (readonly [string, string])[];
}

const FAILURES_KEPT = 20;

export class LastingLoad {
  answered = 0;
  streamed = 0;
  failed = 0;
  /** New connections to the gateway. */
  connected = 0;
  /** The first failures, in words. */
  readonly failures: string[] = [];
  /** The longest that a request had to wait for its whole JSON answer. */
  slowestMs = 0;
  readonly #options: LastingLoadOptions;
  readonly #changes = new Changes();
  readonly #clients: Promise<void>[];
  #isStopped = false;

  /** Begins at once. */
  constructor(options: LastingLoadOptions) {
    this.#options = options;
    const each = (count: number, run: (number: number) => Promise<void>): Promise<void>[] =>
      Array.from({ length: count }, (_, number) => run(number));
    this.#clients = [
      ...each(options.askers, (number) => this.#ask(number)),
      ...each(options.readers, (number) => this.#read(number)),
    ];
  }

  waitFor(answers: number, timeoutMs: number): Promise<true> {
    return this.#changes.until(
      () => (this.answered + this.streamed >= answers ? true : undefined),
      timeoutMs,
      `${answers} answers; ${this.answered} and ${this.streamed} streams came, ${this.failures.join('; ')}`,
    );
  }

  /** Resolves when what runs has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#clients);
  }

  async #ask(number: number): Promise<void> {
    for (let turn = 0; !this.#isStopped; turn += 1) {
      await this.#withConnection(`a${number}-${turn}`, async (client) => {
        for (let count = 0; !this.#isStopped; count += 1) {
          const name = `${number}-${turn}-${count}`;
          const body = `{"model":"m","input":"${name}"}`;
          const startMs = performance.now();
          client.send(this.#render('/v1/chat/completions', body));
          const answer = await this.#receive(client, name);
          if (answer === null) return;
          this.slowestMs = Math.max(this.slowestMs, performance.now() - startMs);
          if (answer.status === 200 && answer.text === JSON.stringify({ got: body })) {
            this.answered += 1;
          } else {
            this.#fail(`${name}: ${answer.status} ${answer.text.slice(0, 200)}`);
          }
          this.#changes.notify();
          if (/close/i.test(answer.header('connection') ?? '')) return;
          await pause(Math.random() * this.#options.pauseMsMax);
        }
      });
    }
  }

  async #read(number: number): Promise<void> {
    const { shape } = this.#options;
    for (let turn = 0; !this.#isStopped; turn += 1) {
      await this.#withConnection(`r${number}-${turn}`, async (client) => {
        const name = `r${number}-${turn}`;
        client.send(this.#render(`/v1/streams/${name}`, '{"model":"m"}'));
        const answer = await this.#receive(client, name);
        if (answer === null) return;
        if (answer.status === 200 && renderStream(name, shape).equals(answer.body)) {
          this.streamed += 1;
        } else {
          this.#fail(`${name}: ${answer.status}, ${answer.bodyBytes} bytes`);
        }
        this.#changes.notify();
      });
    }
  }

  async #withConnection(name: string, use: (client: RawClient) => Promise<void>): Promise<void> {
    let client: RawClient;
    try {
      client = await RawClient.connect({ port: this.#options.port, recordsBytes: false });
    } catch (error) {
      this.#fail(`${name}: not connected: ${String(error)}`);
      await pause(50);
      return;
    }
    this.connected += 1;
    try {
      await use(client);
    } finally {
      client.destroy();
    }
  }

  /** null where no whole answer came. */
  async #receive(client: RawClient, name: string): Promise<HttpMessage | null> {
    const timeoutMs = this.#options.answerMsMax ?? 15_000;
    try {
      const answer = await client.readResponseOrClose({ timeoutMs });
      if (answer?.complete === true) return answer;
      this.#fail(`${name}: closed (${client.closeKind}) after ${answer?.bodyBytes ?? 0} bytes`);
    } catch (error) {
      this.#fail(`${name}: ${String(error)}`);
    }
    return null;
  }

  #render(target: string, body: string): Buffer {
    const headers = (this.#options.headers ?? []).map(([name, value]): [string, string] => [
      name,
      value,
    ]);
    return renderRequest({ target, headers, body });
  }

  #fail(what: string): void {
    this.failed += 1;
    if (this.failures.length < FAILURES_KEPT) this.failures.push(what);
    this.#changes.notify();
  }
}

/** Clients that behave, and how long they wait for their answers. */
import { pause } from '../../helpers/changes.js';
import { renderRequest } from '../../helpers/http-text.js';
import { RawClient } from '../../helpers/raw-client.js';

const THINK_MS = 60;
const ANSWER_MS_MAX = 10_000;

export class GoodClients {
  readonly failures: string[] = [];
  #latenciesMs: number[] = [];
  #isStopped = false;
  readonly #running: Promise<void>[];

  constructor(port: number, count: number) {
    this.#running = Array.from({ length: count }, (_, number) => this.#run(port, number / count));
  }

  /** What was measured since it was asked last, shortest first. */
  take(): readonly number[] {
    const taken = this.#latenciesMs.sort((one, other) => one - other);
    this.#latenciesMs = [];
    return taken;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running);
  }

  async #run(port: number, phase: number): Promise<void> {
    await pause(phase * THINK_MS);
    while (!this.#isStopped) {
      try {
        const client = await RawClient.connect({ port, recordsBytes: false });
        try {
          await this.#converse(client);
        } finally {
          client.destroy();
        }
      } catch (error) {
        this.failures.push(String(error));
      }
    }
  }

  async #converse(client: RawClient): Promise<void> {
    const body = '{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}]}';
    while (!this.#isStopped) {
      const startedMs = performance.now();
      client.send(renderRequest({ target: '/v1/chat/completions', body }));
      const response = await client.readResponse({ timeoutMs: ANSWER_MS_MAX });
      this.#latenciesMs.push(performance.now() - startedMs);
      if (response.status !== 200 || !response.complete) {
        this.failures.push(`${response.status}, whole: ${response.complete}`);
      }
      await pause(THINK_MS);
    }
  }
}

/** @param sorted shortest first. */
export function findPercentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0;
}

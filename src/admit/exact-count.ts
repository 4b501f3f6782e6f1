/**
 * Counts the tokens of large prompts exactly, on a pool of threads: where a consumer is near its limit, an estimate
 * that is a fifth too high would refuse what fits. One pool for the whole gateway, owned by the primary, because a
 * thread holds 60 to 100 MB of vocabularies; workers ask by message (exact-count-client.ts).
 *
 * Never more than help: whatever goes wrong (too large, too many, too slow, no JSON, a thread that died) gives null,
 * and the estimate is used.
 */
import { createRequire } from 'node:module';
import type { Piscina } from 'piscina';
import type { WeirConfig } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { nowMs, toSharedMs } from '../core/clock.js';
import type { TokenCountTask } from './token-count-task.js';

export interface TokenCounterOptions {
  /** The longest that a count is waited for. */
  readonly waitMs: number;
  /** The longest that a thread may work at one body. */
  readonly taskMs: number;
  readonly threadsMax: number;
  readonly queueMax: number;
  /** Of one thread. */
  readonly heapBytesMax: number;
}

const DEFAULTS: TokenCounterOptions = {
  waitMs: BOUNDS.exactCountMs,
  taskMs: BOUNDS.exactCountTaskMs,
  threadsMax: BOUNDS.exactCountThreadsMax,
  queueMax: BOUNDS.exactCountQueueMax,
  heapBytesMax: BOUNDS.exactCountHeapBytesMax,
};

const TASK_FILE = new URL('../admit/token-count-task.js', import.meta.url).href;
const BYTES_PER_MB = 1024 * 1024;
const EMPTY_BODY = new TextEncoder().encode('{"input":""}');

export class TokenCounter {
  readonly #options: TokenCounterOptions;
  #pool: Piscina<TokenCountTask, number | null> | null = null;
  #isClosed = false;

  constructor(options: Partial<TokenCounterOptions> = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** Threads that exist; 0 until something was counted and some minutes after. */
  get threads(): number {
    return this.#pool?.threads.length ?? 0;
  }

  /**
   * Tokens of the prompt in a JSON body of any dialect, without pictures, sound and files: those are the estimator's,
   * `estimate(model, 0, attachedBytes, …)`. Exact for OpenAI's models, rather too high for all others. The body is
   * copied. Never rejects.
   *
   * @returns null where the estimate must do.
   */
  count(body: Uint8Array, model: string): Promise<number | null> {
    return this.#run(body, model, this.#options.waitMs);
  }

  /** Where tokens are limited the first count would be too late otherwise. The model is one that most prompts are for. */
  async warmFor({ consumers, models }: Pick<WeirConfig, 'consumers' | 'models'>): Promise<void> {
    const limits = (consumers ?? []).flatMap((consumer) => consumer.limits);
    if (limits.some(({ kind }) => kind !== 'requests' && kind !== 'concurrency')) {
      await this.warm(models[0]?.name ?? '');
    }
  }

  /** Starts a thread and loads its vocabulary, so that the first count is not late. */
  async warm(model: string): Promise<void> {
    await this.#run(EMPTY_BODY, model, this.#options.taskMs);
  }

  /** Ends all threads; what is being counted gives null. They run no native code, so they may be ended at any time. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const pool = this.#pool;
    this.#pool = null;
    await pool?.destroy();
  }

  async #run(body: Uint8Array, model: string, waitMs: number): Promise<number | null> {
    if (this.#isClosed || body.byteLength > BOUNDS.exactCountBodyBytesMax) {
      return null;
    }
    this.#pool ??= createPool(this.#options);
    if (this.#pool.queueSize >= this.#options.queueMax) {
      return null;
    }
    const copy = new Uint8Array(body);
    const task = { body: copy, model, expiresSharedMs: toSharedMs(nowMs()) + waitMs };
    const ending = new AbortController();
    // Aborting takes a task out of the queue, and ends the thread of one that runs.
    const taskTimer = setTimeout(() => ending.abort(), this.#options.taskMs).unref();
    const counted = this.#pool
      .run(task, { transferList: [copy.buffer], signal: ending.signal })
      .catch(() => null)
      .finally(() => clearTimeout(taskTimer));
    return withinMs(counted, waitMs);
  }
}

function withinMs(counted: Promise<number | null>, waitMs: number): Promise<number | null> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(null), waitMs).unref();
    void counted.then((tokens) => {
      clearTimeout(timer);
      resolve(tokens);
    });
  });
}

/** The library is loaded with the first pool: few gateways ever need one, and each start would pay for it. */
function createPool(options: TokenCounterOptions): Piscina<TokenCountTask, number | null> {
  const { Piscina: Pool } = createRequire(import.meta.url)('piscina') as typeof import('piscina');
  return new Pool<TokenCountTask, number | null>({
    filename: TASK_FILE,
    minThreads: 0,
    maxThreads: options.threadsMax,
    maxQueue: options.queueMax,
    idleTimeout: BOUNDS.exactCountIdleMs,
    // The default parks a thread in Atomics.wait between two tasks, where it hears no message (piscina#331).
    atomics: 'disabled',
    resourceLimits: { maxOldGenerationSizeMb: options.heapBytesMax / BYTES_PER_MB },
  });
}

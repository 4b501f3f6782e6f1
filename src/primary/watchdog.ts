/** Ends the process where its workers don't: a thread that hangs can't be ended from another one. */

import type { LogSink } from '../observe/log-sink.js';
import type { Logger } from '../observe/logger.js';

export class Watchdog {
  readonly #logger: Logger;
  readonly #sink: LogSink;

  constructor(logger: Logger, sink: LogSink) {
    this.#logger = logger;
    this.#sink = sink;
  }

  /** @returns to be cleared when the workers have ended. */
  start(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#logger.fatal('the workers did not end in time; killing the process');
      this.#sink.flushSync();
      process.kill(process.pid, 'SIGKILL');
    }, ms).unref();
  }
}

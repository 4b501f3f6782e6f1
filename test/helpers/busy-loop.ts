/** Holds up the event loops of a gateway's workers from inside, for as long as a file exists. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Runs in each thread before anything else; in the worker threads alone it does something. */
const PRELOADED = `
import { existsSync, readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
const file = process.env.WEIR_TEST_BUSY_FILE;
const roundMs = Number(process.env.WEIR_TEST_BUSY_MS);
const waits = process.env.WEIR_TEST_BUSY_HOW === 'waits';
const word = new Int32Array(new SharedArrayBuffer(4));
let isBusy = false;
const ranMs = () => parseInt(readFileSync('/proc/thread-self/schedstat', 'latin1')) / 1e6;
function hold() {
  const until = ranMs() + roundMs;
  if (waits) Atomics.wait(word, 0, 0, roundMs);
  else while (ranMs() < until);
  if (isBusy) setImmediate(hold);
}
if (!isMainThread) {
  setInterval(() => {
    const wasBusy = isBusy;
    isBusy = existsSync(file);
    if (isBusy && !wasBusy) setImmediate(hold);
  }, 50).unref();
}
`;

export class BusyLoop {
  readonly #folder = mkdtempSync(join(tmpdir(), 'weir-busy-'));
  readonly nodeArgs = [`--import=data:text/javascript,${encodeURIComponent(PRELOADED)}`];
  readonly env: Readonly<Record<string, string>>;

  /**
   * @param roundMs that each round of the loop takes at least: of the core's time where it `runs`, of the clock's where it
   *   `waits`, as one does for whom there is no core.
   */
  constructor(roundMs: number, how: 'runs' | 'waits' = 'runs') {
    this.env = {
      WEIR_TEST_BUSY_FILE: this.#file,
      WEIR_TEST_BUSY_MS: String(roundMs),
      WEIR_TEST_BUSY_HOW: how,
    };
  }

  get #file(): string {
    return join(this.#folder, 'busy');
  }

  begin(): void {
    writeFileSync(this.#file, '');
  }

  end(): void {
    rmSync(this.#file, { force: true });
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

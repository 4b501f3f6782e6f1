/** `weir top`: shows live what a running server does, from its admin port; with `--once` prints one table and ends. */
import { parseArgs } from 'node:util';
import { BOUNDS } from '../core/bounds.js';
import { OperatorError } from '../core/errors.js';
import type { LiveSample, LiveShape } from '../observe/live-sample.js';
import {
  type AdminPlace,
  readLatencies,
  readLive,
  readToken,
  type TargetLatency,
} from './live-client.js';
import { drawScreen, MODEL_COLUMNS, type Scene, SORT_DEFAULT } from './screen.js';
import { clip } from './text-table.js';

const ADMIN_DEFAULT = 'http://127.0.0.1:8081';
const USAGE = `usage: weir top [--admin ${ADMIN_DEFAULT}] [--token-file FILE] [--once]`;
/** Rates are taken over so many samples, of a second each. */
const RATE_SAMPLES = 10;
const WIDTH_DEFAULT = 120;
const HEIGHT_DEFAULT = 40;
const RECONNECT_MS = 1000;

/** @returns the exit code. @throws OperatorError for bad usage, and where the admin port refuses. */
export async function runTop(args: readonly string[]): Promise<number> {
  const { place, isOnce } = readArgs(args);
  return isOnce ? printOnce(place) : new LiveTop(place).run();
}

function readArgs(args: readonly string[]): { place: AdminPlace; isOnce: boolean } {
  let values: { admin?: string; 'token-file'?: string; once?: boolean };
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        admin: { type: 'string' },
        'token-file': { type: 'string' },
        once: { type: 'boolean' },
      },
    }));
  } catch (error) {
    throw new OperatorError(`top: ${error instanceof Error ? error.message : ''}\n${USAGE}`);
  }
  const admin = values.admin ?? ADMIN_DEFAULT;
  // A bare host:port would be read as a scheme.
  const text = /^https?:\/\//i.test(admin) ? admin : `http://${admin}`;
  if (!URL.canParse(text)) throw new OperatorError(`top: --admin is no URL\n${USAGE}`);
  const file = values['token-file'];
  const token = file === undefined ? null : readToken(file);
  return { place: { url: new URL(text).origin, token }, isOnce: values.once === true };
}

/** What has come of a server so far. */
class LiveState {
  readonly #place: AdminPlace;
  #shape: LiveShape | null = null;
  #samples: LiveSample[] = [];
  latencies: ReadonlyMap<string, TargetLatency> = new Map();

  constructor(place: AdminPlace) {
    this.#place = place;
  }

  takeShape(shape: LiveShape): void {
    this.#shape = shape;
    this.#samples = [];
  }

  takeSamples(samples: readonly LiveSample[]): void {
    this.#samples = [...this.#samples, ...samples].slice(-RATE_SAMPLES - 1);
  }

  /** null while there is nothing to show. What was sampled before anybody watched tells of no target and no worker. */
  get scene(): Scene | null {
    const now = this.#samples.at(-1);
    if (this.#shape === null || now === undefined || now.workers.length === 0) return null;
    const [first] = this.#samples;
    const before = first === undefined || first === now ? null : first;
    const { latencies } = this;
    return { shape: this.#shape, now, before, latencies, from: new URL(this.#place.url).host };
  }
}

async function printOnce(place: AdminPlace): Promise<number> {
  const state = new LiveState(place);
  const signal = AbortSignal.timeout(BOUNDS.topOnceMs);
  try {
    for await (const event of readLive(place, signal)) {
      if (event.kind === 'shape') state.takeShape(event.shape);
      else if (event.kind === 'history') state.takeSamples(event.samples);
      else state.takeSamples([event.sample]);
      if (event.kind !== 'sample' || state.scene === null) continue;
      state.latencies = await readLatencies(place, signal);
      const { scene } = state;
      if (scene !== null) process.stdout.write(`${drawOnce(scene).join('\n')}\n`);
      return 0;
    }
  } catch (error) {
    throw describeFailure(place, error);
  }
  throw new OperatorError(`top: ${place.url} ended the stream`);
}

function drawOnce(scene: Scene): string[] {
  const width = process.stdout.isTTY ? process.stdout.columns : WIDTH_DEFAULT;
  const height = Number.POSITIVE_INFINITY;
  const sorting = { sortedBy: SORT_DEFAULT, isDescending: true };
  const lines = drawScreen(scene, { width, height, hasColor: hasColor(), ...sorting });
  return lines.map((line) => line.trimEnd());
}

function hasColor(): boolean {
  return process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '';
}

function describeFailure({ url }: AdminPlace, error: unknown): Error {
  if (error instanceof OperatorError) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new OperatorError(`top: ${url} can’t be asked: ${reason}; is it the admin port?`);
}

class LiveTop {
  readonly #place: AdminPlace;
  readonly #state: LiveState;
  readonly #abort = new AbortController();
  #sortedBy = SORT_DEFAULT;
  #isDescending = true;
  #status = '';
  #isAsking = false;

  constructor(place: AdminPlace) {
    this.#place = place;
    this.#state = new LiveState(place);
  }

  async run(): Promise<number> {
    if (!process.stdout.isTTY) {
      throw new OperatorError('top: this is no terminal; --once prints one table');
    }
    const close = this.#openTerminal();
    try {
      while (!this.#abort.signal.aborted) await this.#watch();
    } finally {
      close();
    }
    return 0;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#abort;
    try {
      for await (const event of readLive(this.#place, signal)) {
        this.#status = '';
        if (event.kind === 'shape') this.#state.takeShape(event.shape);
        else if (event.kind === 'history') this.#state.takeSamples(event.samples);
        else this.#state.takeSamples([event.sample]);
        if (event.kind === 'sample') this.#askLatencies();
        this.#draw();
      }
      this.#status = 'the server ended the stream; asking again …';
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof OperatorError) throw error;
      this.#status = `${describeFailure(this.#place, error).message}; asking again …`;
    }
    this.#draw();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, RECONNECT_MS);
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #askLatencies(): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    readLatencies(this.#place, this.#abort.signal)
      .then((latencies) => {
        this.#state.latencies = latencies;
      })
      .catch(() => {
        // The stream will tell.
      })
      .finally(() => {
        this.#isAsking = false;
      });
  }

  /** @returns what gives the terminal back. */
  #openTerminal(): () => void {
    const { stdin, stdout } = process;
    const onKey = (bytes: Buffer): void => this.#takeKeys(bytes.toString('latin1'));
    const onResize = (): void => this.#draw();
    const quit = (): void => this.#abort.abort();
    const restore = (): void => {
      stdout.write(LEAVE);
    };
    stdout.write(ENTER);
    process.on('exit', restore);
    process.on('SIGTERM', quit);
    process.on('SIGINT', quit);
    stdout.on('resize', onResize);
    if (stdin.isTTY) {
      stdin.setRawMode(true);
      stdin.on('data', onKey);
    }
    return () => {
      process.off('exit', restore);
      if (stdin.isTTY) stdin.setRawMode(false);
      stdin.off('data', onKey).pause();
      stdout.off('resize', onResize);
      restore();
    };
  }

  #takeKeys(keys: string): void {
    for (const key of keys) {
      if (key === 'q' || key === CTRL_C) this.#abort.abort();
      else if (key === 's') this.#sortedBy = (this.#sortedBy + 1) % MODEL_COLUMNS.length;
      else if (key === 'r') this.#isDescending = !this.#isDescending;
    }
    if (!this.#abort.signal.aborted) this.#draw();
  }

  #draw(): void {
    const { columns: width = WIDTH_DEFAULT, rows: height = HEIGHT_DEFAULT } = process.stdout;
    const { scene } = this.#state;
    const keys = `q quit   s sort by the next column   r other way round   ${this.#status}`;
    const lines =
      scene === null
        ? [`asking ${this.#place.url} …`]
        : drawScreen(scene, {
            width,
            height: height - 2,
            hasColor: hasColor(),
            sortedBy: this.#sortedBy,
            isDescending: this.#isDescending,
          });
    const all = [...lines, '', clip(keys, width)];
    process.stdout.write(
      `${HOME}${all.map((line) => line + CLEAR_LINE).join('\r\n')}${CLEAR_REST}`,
    );
  }
}

const CTRL_C = '\x03';
/** The other screen, without a cursor; and back. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_REST = '\x1b[J';

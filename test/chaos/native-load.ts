/**
 * The benchmark's mock and its open loop of arrivals, which are written in C: they cost a fraction of what the gateway
 * does, so that one core of them overloads another one of it.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { hasProgram, REPOSITORY } from '../helpers/need.js';

export const hasNativeLoad = ['cc', 'taskset', 'setpriv'].every(hasProgram);

const SOURCES = {
  arrivals: ['arrivals.c'],
  mock: ['sse-load.c', 'sse-mock.c', 'sse-streams.c'],
} as const;

export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Of those who came with one key. */
export interface ArrivalClass {
  readonly key: string;
  readonly sent: number;
  readonly answered: number;
  readonly refused: number;
  readonly failed: number;
  readonly firstByteUs: Percentiles;
  readonly wholeUs: Percentiles;
  readonly refusalUs: Percentiles;
}

export interface Arrivals {
  readonly seconds: number;
  readonly unsent: number;
  readonly unfinished: number;
  readonly mostOpen: number;
  readonly classes: readonly ArrivalClass[];
}

export interface ArrivalPlan {
  readonly port: number;
  /** Requests a second. */
  readonly rate: number;
  readonly warmSeconds: number;
  readonly seconds: number;
  /** Events of each stream; 0 asks for JSON. */
  readonly events: number;
  readonly gapMs: number;
  readonly promptBytes: number;
  /** Key and its share in percent. */
  readonly shares: Readonly<Record<string, number>>;
}

const CONNECTIONS_MAX = 20_000;

export class NativeLoad {
  readonly #folder: string;
  readonly #core: string;
  #mock: ChildProcess | null = null;
  port = 0;

  private constructor(folder: string, core: string) {
    this.#folder = folder;
    this.#core = core;
  }

  /**
   * Builds the programs and starts the mock.
   *
   * @param core that they may run on, as taskset takes it.
   */
  static async start(core: string, port: number): Promise<NativeLoad> {
    const folder = mkdtempSync(join(tmpdir(), 'weir-load-'));
    for (const [program, files] of Object.entries(SOURCES)) {
      const sources = files.map((file) => join(REPOSITORY, 'native-bench', file));
      execFileSync('cc', ['-O2', '-o', join(folder, program), ...sources]);
    }
    const load = new NativeLoad(folder, core);
    const answer = join(folder, 'answer.json');
    writeFileSync(answer, JSON.stringify({ choices: [{ message: { content: 'y'.repeat(800) } }] }));
    load.port = port;
    load.#mock = load.#spawn('mock', ['mock', String(port), answer]);
    await firstLine(load.#mock);
    return load;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  async arrive(plan: ArrivalPlan): Promise<Arrivals> {
    const { port, rate, warmSeconds, seconds, events, gapMs, promptBytes, shares } = plan;
    const numbers = [port, rate, warmSeconds, seconds, CONNECTIONS_MAX, events, gapMs, promptBytes];
    const keys = Object.entries(shares).map(([key, share]) => `${key}=${share}`);
    const child = this.#spawn('arrivals', [...numbers.map(String), ...keys]);
    return JSON.parse(await firstLine(child)) as Arrivals;
  }

  async stop(): Promise<void> {
    const mock = this.#mock;
    if (mock !== null && mock.exitCode === null && mock.signalCode === null) {
      mock.kill('SIGKILL');
      await once(mock, 'exit');
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #spawn(program: string, args: readonly string[]): ChildProcess {
    const pinned = ['--pdeathsig', 'KILL', 'taskset', '-c', this.#core];
    return spawn('setpriv', [...pinned, join(this.#folder, program), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }
}

async function firstLine(child: ChildProcess): Promise<string> {
  const { stdout } = child;
  if (stdout === null) throw new Error('its output is not read');
  for await (const line of createInterface({ input: stdout })) return line;
  throw new Error(`ended with ${child.exitCode ?? child.signalCode} and said nothing`);
}

/** The first two cores that this process may use; the same one twice where there is no other. */
export function choosePair(): readonly [string, string] {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  const cores = (list ?? '0').split(',').flatMap((part) => {
    const [first = 0, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, place) => String(first + place));
  });
  return [cores[0] ?? '0', cores[1] ?? cores[0] ?? '0'];
}

/** All threads of a process, from now on. */
export function pin(pid: number, core: string): void {
  execFileSync('taskset', ['-a', '-p', '-c', core, String(pid)], { stdio: 'ignore' });
}

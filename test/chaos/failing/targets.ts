/** The simulated targets from outside: started, told how to fail, killed, frozen, brought back, counted. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Changes } from '../../helpers/changes.js';
import type { Order, Report, Way } from './ways.js';

const PROGRAM = fileURLToPath(new URL('target-process.js', import.meta.url));
const WAIT_MS = 20_000;

export class SimulatedTarget {
  readonly name: string;
  port = 0;
  #child: ChildProcess | null = null;
  readonly #changes = new Changes();
  readonly #reports: Report[] = [];
  #isFrozen = false;
  #counts = 0;
  /** Of processes that were killed. */
  #requestsBefore = 0;
  #requests = 0;

  private constructor(name: string) {
    this.name = name;
  }

  static async start(name: string): Promise<SimulatedTarget> {
    const target = new SimulatedTarget(name);
    await target.#begin();
    return target;
  }

  get isAlive(): boolean {
    return this.#child !== null;
  }

  async play(way: Way): Promise<void> {
    await this.restore();
    this.#order({ kind: 'play', way });
    await this.#take((report) => report.kind === 'played' && report.way === way);
  }

  /** All that have come to it; of one that is killed or frozen what was counted before. */
  async count(): Promise<number> {
    if (this.isAlive && !this.#isFrozen) {
      const number = ++this.#counts;
      this.#order({ kind: 'count', number });
      const report = await this.#take(
        (entry) => entry.kind === 'counted' && entry.number === number,
      );
      if (report.kind === 'counted') this.#requests = this.#requestsBefore + report.requests;
    }
    return this.#requests;
  }

  /** SIGKILL: the kernel resets its connections and refuses new ones. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#requestsBefore = await this.count();
    this.#child = null;
    this.#isFrozen = false;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  /** SIGSTOP: connections are accepted by the kernel, and nothing more happens. */
  freeze(): void {
    this.#child?.kill('SIGSTOP');
    this.#isFrozen = this.isAlive;
  }

  /** Thaws what is frozen and starts what was killed, on the same port; how it fails stays as it is. */
  async restore(): Promise<void> {
    if (this.#child === null) await this.#begin();
    if (this.#isFrozen) this.#child?.kill('SIGCONT');
    this.#isFrozen = false;
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  async #begin(): Promise<void> {
    this.#reports.length = 0;
    const child = fork(PROGRAM, [String(this.port)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    child.on('message', (report: Report) => {
      this.#reports.push(report);
      this.#changes.notify();
    });
    this.#child = child;
    const report = await this.#take(({ kind }) => kind === 'listening');
    if (report.kind === 'listening') this.port = report.port;
  }

  #order(order: Order): void {
    this.#child?.send(order);
  }

  #take(accepts: (report: Report) => boolean): Promise<Report> {
    return this.#changes.until(
      () => {
        const at = this.#reports.findIndex(accepts);
        return at < 0 ? undefined : this.#reports.splice(at, 1)[0];
      },
      WAIT_MS,
      `an answer of target ${this.name}`,
    );
  }
}

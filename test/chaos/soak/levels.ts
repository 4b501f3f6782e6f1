/** Samples of what a gateway holds: heap of all its threads, resident memory, open files. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Gateway } from '../../helpers/gateway.js';
import type { Point } from '../measure/slope.js';

const MB = 1024 * 1024;
const PROBE = new URL('heap-probe.js', import.meta.url).href;

export class Levels {
  readonly heapMb: Point[] = [];
  readonly residentMb: Point[] = [];
  readonly files: Point[] = [];
  readonly everyMs: number;
  readonly #folder = mkdtempSync(join(tmpdir(), 'weir-heap-'));
  #timer: NodeJS.Timeout | null = null;

  constructor(everyMs: number) {
    this.everyMs = everyMs;
  }

  /** For the gateway's environment. */
  get env(): Readonly<Record<string, string>> {
    return {
      NODE_OPTIONS: `--import ${fileURLToPath(PROBE)}`,
      WEIR_HEAP_PROBE: this.#folder,
      WEIR_HEAP_PROBE_MS: String(this.everyMs),
    };
  }

  watch(gateway: Gateway): void {
    this.#timer = setInterval(() => this.#sample(gateway), this.everyMs);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #sample(gateway: Gateway): void {
    if (gateway.exit !== null) return;
    const atMs = performance.now();
    const heaps = readdirSync(this.#folder).filter((name) => name.startsWith(`${gateway.pid}-`));
    const bytes = heaps.map((name) => Number(readFileSync(join(this.#folder, name), 'utf8')));
    const sum = bytes.filter(Number.isFinite).reduce((total, each) => total + each, 0);
    if (sum > 0) this.heapMb.push({ atMs, value: sum / MB });
    this.residentMb.push({ atMs, value: gateway.rssBytes() / MB });
    this.files.push({ atMs, value: gateway.countOpenFiles() });
  }
}

/**
 * Starts the built gateway (dist/main.js) as its own process, as an operator would, and reads what
 * an operator can read: its log lines, its admin port, its memory, its exit code.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Changes } from './changes.js';
import { type MetricSample, parseMetrics } from './metrics-text.js';
import { REPOSITORY } from './need.js';

/** Where several gateways start at a time on a machine with much else to do; no test is about this. */
const READY_MS_MAX = 30_000;

export type LogLine = Readonly<Record<string, unknown>>;
/** What a configuration file may say; checked by the gateway, not here. */
export type ConfigText = Readonly<Record<string, unknown>>;

export interface GatewayOptions {
  /** An object is completed with `listen`, `admin` and `workers`; a string is taken as it is. */
  readonly config: ConfigText | string;
  readonly workers?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeArgs?: readonly string[];
  /** Further arguments of the command line. */
  readonly args?: readonly string[];
  readonly readyMs?: number;
}

const UPSTREAM_KEY = 'sk-upstream-secret';
const SETPRIV = '/usr/bin/setpriv';
const living = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

export class Gateway {
  /** The supervisor: what an operator signals, and whose exit code counts. */
  readonly child: ChildProcess;
  /** The configuration that it was started with, and reads again when it is asked to. */
  readonly file: string;
  readonly logs: LogLine[] = [];
  /** Lines of stdout that are no JSON object. Expected to be empty. */
  readonly strayLines: string[] = [];
  stderr = '';
  port = 0;
  adminPort = 0;
  exit: { readonly code: number | null; readonly signal: NodeJS.Signals | null } | null = null;
  readonly #changes = new Changes();
  #stdoutRest = '';
  #serverPid = 0;

  constructor(child: ChildProcess, file: string) {
    this.child = child;
    this.file = file;
    living.add(child);
    child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#onStdout(text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    child.on('close', (code, signal) => {
      living.delete(child);
      this.exit = { code, signal };
      this.#changes.notify();
    });
  }

  /** Of the server process, as its last line `ready` tells it: the one that is looked into, for memory above all. */
  get pid(): number {
    return this.#serverPid === 0 ? this.supervisorPid : this.#serverPid;
  }

  get supervisorPid(): number {
    const { pid } = this.child;
    if (pid === undefined) throw new Error('the gateway was not started');
    return pid;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  get adminUrl(): string {
    return `http://127.0.0.1:${this.adminPort}`;
  }

  /** The first line, past or to come, that the predicate accepts. */
  waitForLog(accepts: (line: LogLine) => boolean, timeoutMs = 5000): Promise<LogLine> {
    return this.#changes.until(
      () => {
        const line = this.logs.find(accepts);
        if (line === undefined && this.exit !== null) throw this.#describeExit('a log line');
        return line;
      },
      timeoutMs,
      `a log line; the last ones were ${JSON.stringify(this.logs.slice(-3))}`,
    );
  }

  /** One line per exchange: those that say how it ended. */
  accessLines(): LogLine[] {
    return this.logs.filter((line) => 'ended' in line);
  }

  waitForAccessLines(count: number, timeoutMs = 5000): Promise<LogLine[]> {
    return this.#changes.until(
      () => {
        const lines = this.accessLines();
        return lines.length >= count ? lines : undefined;
      },
      timeoutMs,
      `${count} access-log lines`,
    );
  }

  async metrics(): Promise<MetricSample[]> {
    const response = await fetch(`${this.adminUrl}/metrics`, {
      signal: AbortSignal.timeout(5000),
    });
    return parseMetrics(await response.text());
  }

  /** Resident memory of the server process and its descendants. */
  rssBytes(): number {
    return listFamily(this.pid).reduce((sum, pid) => sum + readRssBytes(pid), 0);
  }

  /** Files and sockets that the server process and its descendants hold open. */
  countOpenFiles(): number {
    return listFamily(this.pid).reduce(
      (sum, pid) => sum + readdirSync(`/proc/${pid}/fd`).length,
      0,
    );
  }

  waitForExit(timeoutMs: number): Promise<NonNullable<Gateway['exit']>> {
    return this.#changes.until(() => this.exit ?? undefined, timeoutMs, 'the gateway to exit');
  }

  /** SIGTERM; fails the test unless the gateway drains and exits with 0 within the bound. */
  async stop(timeoutMs = 15_000): Promise<void> {
    if (this.exit === null) this.child.kill('SIGTERM');
    try {
      const exit = await this.waitForExit(timeoutMs);
      assert.deepEqual(exit, { code: 0, signal: null }, `exit of the gateway\n${this.stderr}`);
    } finally {
      await this.kill();
    }
  }

  async kill(): Promise<void> {
    if (this.exit !== null) return;
    // The supervisor first, so that it starts nothing new.
    for (const pid of listFamily(this.supervisorPid)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself in the meantime.
      }
    }
    await this.waitForExit(5000);
  }

  async waitUntilReady(timeoutMs: number): Promise<void> {
    const line = await this.waitForLog((entry) => entry['msg'] === 'ready', timeoutMs);
    this.port = readPort(line['listen']);
    this.adminPort = readPort(line['admin']);
  }

  #describeExit(wanted: string): Error {
    const lines = this.logs.slice(-5).map((line) => JSON.stringify(line));
    return new Error(
      `the gateway ended (${JSON.stringify(this.exit)}) before ${wanted}\n${lines.join('\n')}\n${this.strayLines.join('\n')}\n${this.stderr}`,
    );
  }

  #onStdout(text: string): void {
    const lines = (this.#stdoutRest + text).split('\n');
    this.#stdoutRest = lines.pop() ?? '';
    for (const line of lines) {
      const entry = parseLogLine(line);
      if (entry !== null) this.#onEntry(entry);
      else if (line !== '') this.strayLines.push(line);
    }
    this.#changes.notify();
  }

  #onEntry(entry: LogLine): void {
    this.logs.push(entry);
    if (entry['msg'] === 'ready' && typeof entry['pid'] === 'number') {
      this.#serverPid = entry['pid'];
    }
  }
}

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const gateway = spawnGateway(options);
  try {
    await gateway.waitUntilReady(options.readyMs ?? READY_MS_MAX);
  } catch (error) {
    await gateway.kill();
    throw error;
  }
  return gateway;
}

/** Without waiting for it to be ready: for configurations that must be refused. */
export function spawnGateway(options: GatewayOptions): Gateway {
  const folder = mkdtempSync(join(tmpdir(), 'weir-test-'));
  const file = join(folder, 'weir.yaml');
  writeFileSync(file, renderConfig(options));
  const main = findMain();
  const command = [
    process.execPath,
    ...(options.nodeArgs ?? []),
    main,
    '--config',
    file,
    ...(options.args ?? []),
  ];
  // If the test process is killed, no exit handler runs: then the kernel takes the gateway down.
  if (existsSync(SETPRIV)) command.unshift(SETPRIV, '--pdeathsig', 'KILL', '--');
  const [program = '', ...args] = command;
  // node --test marks its children by this variable; the gateway is not one of its test files.
  const { NODE_TEST_CONTEXT: _marker, ...inherited } = process.env;
  const child = spawn(program, args, {
    env: { ...inherited, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.on('close', () => rmSync(folder, { recursive: true, force: true }));
  return new Gateway(child, file);
}

/** One provider named `mock` that serves every model; the usual configuration of a wire test. */
export function proxyConfig(baseUrl: string, overrides: ConfigText = {}): ConfigText {
  return {
    providers: { mock: { dialect: 'openai', base_url: baseUrl, api_key: UPSTREAM_KEY } },
    models: { '*': { provider: 'mock' } },
    ...overrides,
  };
}

proxyConfig.upstreamKey = UPSTREAM_KEY;

/** WEIR_MAIN puts another program in its place: an older build, a stand-in. */
function findMain(): string {
  return process.env['WEIR_MAIN'] ?? join(REPOSITORY, 'dist', 'main.js');
}

export function isGatewayBuilt(): boolean {
  return existsSync(findMain());
}

/** The file that a gateway with these options is started with. */
export function renderConfig(options: GatewayOptions): string {
  if (typeof options.config === 'string') return options.config;
  return JSON.stringify(
    {
      listen: '127.0.0.1:0',
      admin: '127.0.0.1:0',
      workers: options.workers ?? 2,
      ...options.config,
    },
    null,
    2,
  );
}

function parseLogLine(line: string): LogLine | null {
  if (!line.startsWith('{')) return null;
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return null;
  }
}

function readPort(address: unknown): number {
  const port = Number(/:(\d+)$/.exec(String(address))?.[1]);
  assert.ok(port > 0, `the ready line names no port but ${String(address)}`);
  return port;
}

/** A process and its descendants, parents first. */
function listFamily(pid: number): number[] {
  const family = [pid];
  for (let at = 0; at < family.length; at++) {
    const member = family[at] ?? 0;
    try {
      for (const thread of readdirSync(`/proc/${member}/task`)) {
        const children = readFileSync(`/proc/${member}/task/${thread}/children`, 'utf8');
        family.push(...children.split(' ').filter(Boolean).map(Number));
      }
    } catch {
      // It has ended since it was listed.
    }
  }
  return family;
}

function readRssBytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

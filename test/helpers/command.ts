/** Runs `node dist/main.js …` to its end and keeps what an operator would see of it. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY } from './need.js';

export interface CommandResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly tookMs: number;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Arguments for Node, in front of the program. */
  readonly nodeArgs?: readonly string[];
  /** A command that runs the command, such as `setpriv … --`. */
  readonly wrapper?: readonly string[];
  readonly timeoutMs?: number;
}

/** A command that does not end within the bound is killed, and its signal says so. */
export function runWeir(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const main = join(REPOSITORY, 'dist', 'main.js');
  const wrapper = options.wrapper ?? [];
  const command = [...wrapper, process.execPath, ...(options.nodeArgs ?? []), main, ...args];
  const [program = '', ...rest] = command;
  const { NODE_TEST_CONTEXT: _marker, ...inherited } = process.env;
  const startMs = performance.now();
  return new Promise((resolve) => {
    const child = spawn(program, rest, {
      env: { ...inherited, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 10_000);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr, tookMs: performance.now() - startMs });
    });
  });
}

/** A folder of its own for a test's files; the caller says when it is done with it. */
export class ScratchFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'weir-files-'));

  write(name: string, text: string): string {
    const file = join(this.path, name);
    writeFileSync(file, text);
    return file;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

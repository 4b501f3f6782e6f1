#!/usr/bin/env node
/** The command line. Exit codes: 0 well, 1 failed while running, 2 bad usage or configuration. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { BOUNDS } from './core/bounds.js';
import { OperatorError } from './core/errors.js';
import { runSupervisor, SERVE_COMMAND } from './supervisor/run-supervisor.js';

const USAGE = `Weir, an AI gateway.

  weir [--config FILE]            serve; FILE is weir.yaml if left out
       [--demo-without-keys]      where no provider has a key, put the built-in simulated LLM in their place
       [--no-supervisor]          serve in this process: no restart after a crash, no upgrade
  weir check FILE                 validate a configuration and print what it means
       [--diff RUNNING]           print what a reload from the file RUNNING to it would change
  weir usage [--by consumer,model,day] [--from TIME] [--to TIME] [--format ndjson|csv]
                                  print or sum the usage records; weir usage --help tells more
  weir demo-upstream [--listen HOST:PORT]
                                  serve the built-in simulated LLM alone
  weir top [--admin URL] [--token-file FILE] [--once]
                                  show live what a running server does; --once prints one table
  weir --version | --help

SIGHUP reads the configuration anew.
SIGTERM and SIGINT let running exchanges end, for at most drain_timeout, and exit with 0.
SIGUSR2 puts the installed release and its configuration in the place of what runs, without a lost request.
`;

const CONFIG_DEFAULT = 'weir.yaml';

async function run(args: readonly string[]): Promise<number | null> {
  const [command] = args;
  if (command === 'demo-upstream') {
    const { runDemoUpstream } = await import('./demo-upstream/command.js');
    return runDemoUpstream(args.slice(1));
  }
  if (command === 'top') {
    const { runTop } = await import('./top/command.js');
    return runTop(args.slice(1));
  }
  if (command === 'usage') {
    const { runUsage } = await import('./usage/command.js');
    return runUsage(args.slice(1));
  }
  if (command === 'check') {
    return check(args.slice(1));
  }
  return command === SERVE_COMMAND ? serve(args.slice(1)) : supervise(args);
}

async function check(args: readonly string[]): Promise<number> {
  const { file, running } = parseCheckArgs(args);
  const { formatEffective } = await import('./config/effective.js');
  const { loadConfig } = await import('./config/load.js');
  const config = loadConfig(file, process.env);
  for (const warning of config.warnings) {
    process.stderr.write(`${file}: warning: ${warning}\n`);
  }
  if (running === null) {
    process.stdout.write(formatEffective(config));
    return 0;
  }
  const { previewReload } = await import('./config/reload-preview.js');
  const { text, refusals } = previewReload(loadConfig(running, process.env), config);
  process.stdout.write(text);
  if (refusals.length > 0) {
    throw new OperatorError(refusals.join('\n'));
  }
  return 0;
}

function parseCheckArgs(args: readonly string[]): { file: string; running: string | null } {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { diff: { type: 'string' } },
      allowPositionals: true,
    });
    const [file, ...rest] = positionals;
    if (file !== undefined && rest.length === 0) {
      return { file, running: values.diff ?? null };
    }
  } catch {
    // The usage says it.
  }
  throw new OperatorError('usage: weir check FILE [--diff RUNNING]');
}

/** Loads nothing that a server needs: this process stays small. @returns null once there is a server. */
async function supervise(args: readonly string[]): Promise<number | null> {
  const options = parseServeArgs(args);
  if (options.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (options.version === true) {
    process.stdout.write(`${readVersion()}\n`);
    return 0;
  }
  if (options['no-supervisor'] === true) {
    return serve(args);
  }
  runSupervisor(args);
  return null;
}

/** @returns null once the server runs; it ends the process by itself. */
async function serve(args: readonly string[]): Promise<number | null> {
  const options = parseServeArgs(args);
  const { loadConfig } = await import('./config/load.js');
  const load = () => loadConfig(options.config ?? CONFIG_DEFAULT, process.env);
  const config = load();
  // Read by uWebSockets.js when it is loaded, from the environment of the process and not of a worker (U-14).
  process.env['UWS_HTTP_MAX_HEADERS_SIZE'] ??= String(BOUNDS.headerBlockBytesMax);
  const { endUnusedThreads, prepareThreads } = await import('./primary/threads.js');
  const { widenInlining } = await import('./primary/compiler.js');
  widenInlining();
  prepareThreads(config.workers);
  try {
    const { runServer } = await import('./primary/server.js');
    await runServer({
      config,
      loadConfig: load,
      version: readVersion(),
      usesDemo: options['demo-without-keys'] === true,
    });
  } finally {
    await endUnusedThreads();
  }
  return null;
}

function parseServeArgs(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        config: { type: 'string', short: 'c' },
        'demo-without-keys': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        'no-supervisor': { type: 'boolean' },
        version: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new OperatorError(
      `${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`,
    );
  }
}

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  return version;
}

try {
  const exitCode = await run(process.argv.slice(2));
  if (exitCode !== null) {
    process.exitCode = exitCode;
  }
} catch (error) {
  if (error instanceof OperatorError) {
    process.stderr.write(`weir: ${error.message}\n`);
    process.exitCode = 2;
  } else {
    process.stderr.write(`weir: ${error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = 1;
  }
}

/** Makes this process a supervisor: signals in, servers out. */
import { createReport } from './report.js';
import { Supervisor } from './supervisor.js';

/** The command that a supervisor runs servers by, and that nobody types. */
export const SERVE_COMMAND = 'serve-internal';

/** After the last server has ended, for log lines that nobody takes. */
const LINGER_MS = 1_000;

/** @param args of the command line, for the server to read. Returns at once; the process ends by itself. */
export function runSupervisor(args: readonly string[]): void {
  const [, program = ''] = process.argv;
  const supervisor = new Supervisor({
    command: () => ({
      node: process.env['WEIR_NODE'] ?? process.execPath,
      // The program as it was typed: a link to the release in use is followed anew at each start.
      args: [...process.execArgv, program, SERVE_COMMAND, ...args],
    }),
    report: createReport(),
    onEnded: (exitCode) => {
      process.exitCode = exitCode;
      setTimeout(() => process.exit(exitCode), LINGER_MS).unref();
    },
  });
  // Before the first server: a signal during the start must not be lost, above all as process 1 of a container.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => supervisor.stop(signal));
  }
  process.on('SIGHUP', () => supervisor.reload());
  process.on('SIGUSR2', () => supervisor.upgrade());
  supervisor.start();
}

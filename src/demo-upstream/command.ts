/**
 * `weir demo-upstream [--listen HOST:PORT]`: serves the simulated LLM in the main thread until it is told to end.
 */
import { OperatorError } from '../core/errors.js';
import { type DemoUpstream, startDemoUpstream } from './demo-upstream.js';

const LISTEN_DEFAULT = '127.0.0.1:9090';

/** Running streams may take so long to end after SIGINT or SIGTERM. */
const DRAIN_MS = 5000;
const DRAIN_CHECK_MS = 20;

/**
 * @param args what follows `demo-upstream` on the command line.
 * @returns the exit code, when the simulated LLM has ended; nothing then keeps the process alive.
 * @throws OperatorError when an argument is wrong or the address can't be listened on.
 */
export async function runDemoUpstream(args: readonly string[]): Promise<number> {
  const { host, port } = parseArgs(args);
  const upstream = listen(host, port);
  const shownHost = host.includes(':') ? `[${host}]` : host;
  process.stdout.write(
    `simulated LLM on http://${shownHost}:${upstream.port}: OpenAI’s API under /v1, Anthropic’s at /v1/messages; ` +
      'ask for more with ?tokens=200&ttft_ms=300&pace_ms=20 (docs/demo-upstream.md)\n',
  );
  await awaitSignal();
  upstream.stopListening();
  await awaitEnd(upstream);
  upstream.close();
  return 0;
}

function parseArgs(args: readonly string[]): { host: string; port: number } {
  let listenAt = LISTEN_DEFAULT;
  for (let i = 0; i < args.length; i += 1) {
    const arg = args[i] as string;
    if (arg === '--listen' && args[i + 1] !== undefined) {
      i += 1;
      listenAt = args[i] as string;
    } else if (arg.startsWith('--listen=')) {
      listenAt = arg.slice('--listen='.length);
    } else {
      throw new OperatorError(
        `demo-upstream: ${JSON.stringify(arg)} is not expected; usage: weir demo-upstream [--listen ${LISTEN_DEFAULT}]`,
      );
    }
  }
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:\s]+)):([0-9]{1,5})$/i.exec(listenAt);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new OperatorError(
      `demo-upstream: --listen must be HOST:PORT such as ${LISTEN_DEFAULT}, not ${JSON.stringify(listenAt)}`,
    );
  }
  return { host: (match[1] ?? match[2]) as string, port };
}

function listen(host: string, port: number): DemoUpstream {
  try {
    return startDemoUpstream({
      host,
      port,
      onFault(error) {
        process.stderr.write(`simulated LLM: ${error instanceof Error ? error.stack : error}\n`);
      },
    });
  } catch {
    throw new OperatorError(
      `demo-upstream: can’t listen on ${host}:${port}; is the port in use, or does it need more rights?`,
    );
  }
}

function awaitSignal(): Promise<void> {
  return new Promise((resolve) => {
    const onSignal = (): void => {
      // A second signal ends the process at once, as it would without this handler.
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
      resolve();
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}

function awaitEnd(upstream: DemoUpstream): Promise<void> {
  return new Promise((resolve) => {
    const check = setInterval(() => {
      if (upstream.inFlight() === 0) {
        end();
      }
    }, DRAIN_CHECK_MS);
    const deadline = setTimeout(end, DRAIN_MS);
    function end(): void {
      clearInterval(check);
      clearTimeout(deadline);
      resolve();
    }
  });
}

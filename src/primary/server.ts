/** The server process: the primary, signals, and, where it is asked for, the simulated LLM beside it. */
import type { WeirConfig } from '../config/model.js';
import { type DemoUpstream, startDemoUpstream } from '../demo-upstream/demo-upstream.js';
import { Primary } from './primary.js';

export interface ServerOptions {
  readonly config: WeirConfig;
  /** Reads the file anew. @throws OperatorError */
  readonly loadConfig: () => WeirConfig;
  readonly version: string;
  /** Where no provider has a key, all of them are replaced by the simulated LLM. */
  readonly usesDemo: boolean;
}

/** @throws OperatorError when the server can't be started. Resolves once it serves. */
export async function runServer(options: ServerOptions): Promise<void> {
  const demo = options.usesDemo && !hasKey(options.config) ? startDemo() : null;
  const complete = (config: WeirConfig): WeirConfig =>
    demo === null || hasKey(config) ? config : pointAt(config, demo.port);
  const primary = new Primary({
    config: complete(options.config),
    loadConfig: () => complete(options.loadConfig()),
    version: options.version,
    onEnded: (exitCode) => {
      demo?.close();
      process.exitCode = exitCode;
      for (const signal of SIGNALS) {
        process.removeAllListeners(signal);
      }
    },
  });
  // A signal during the start must not be lost: as process 1 of a container nothing else would act on it.
  let early: NodeJS.Signals | null = null;
  let isUp = false;
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (isUp) {
        void primary.drain(signal);
      } else {
        early ??= signal;
      }
    });
  }
  let wantsReload = false;
  process.on(RELOAD_SIGNAL, () => {
    if (isUp) void primary.reload(RELOAD_SIGNAL);
    else wantsReload = true;
  });
  try {
    await primary.start();
  } catch (error) {
    demo?.close();
    throw error;
  }
  isUp = true;
  if (early !== null) {
    void primary.drain(early);
  }
  if (wantsReload) {
    void primary.reload(RELOAD_SIGNAL);
  }
  if (demo !== null) {
    primary.logger.warn(
      'no provider key is in the environment: the built-in simulated LLM answers in place of all providers',
    );
  }
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
const RELOAD_SIGNAL = 'SIGHUP';

function hasKey({ providers }: WeirConfig): boolean {
  return providers.some(({ apiKey }) => apiKey !== null);
}

function startDemo(): DemoUpstream {
  return startDemoUpstream({
    host: '127.0.0.1',
    port: 0,
    onFault: (error) => {
      process.stderr.write(`simulated LLM: ${String(error)}\n`);
    },
  });
}

function pointAt(config: WeirConfig, port: number): WeirConfig {
  return {
    ...config,
    providers: config.providers.map((provider) => ({
      ...provider,
      baseUrl: `http://127.0.0.1:${port}/v1`,
      tls: null,
      proxyUrl: null,
    })),
  };
}

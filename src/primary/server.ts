/** The server process: the primary, signals, and, where it is asked for, the simulated LLM beside it. */
import type { WeirConfig } from '../config/model.js';
import { type DemoUpstream, startDemoUpstream } from '../demo-upstream/demo-upstream.js';
import { Primary } from './primary.js';
import { SupervisorLink } from './supervisor-link.js';

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
  const link = SupervisorLink.find();
  const primary = new Primary({
    config: complete(options.config),
    loadConfig: () => complete(options.loadConfig()),
    version: options.version,
    link,
    onEnded: (exitCode, isStuck) => {
      demo?.close();
      if (isStuck) {
        void (link?.sayEnded(exitCode) ?? Promise.resolve()).then(() =>
          process.kill(process.pid, 'SIGKILL'),
        );
        return;
      }
      link?.close();
      process.exitCode = exitCode;
      for (const signal of SIGNALS) {
        process.removeAllListeners(signal);
      }
    },
  });
  // A signal during the start must not be lost: as process 1 of a container nothing else would act on it.
  let early: string | null = null;
  let isUp = false;
  const stop = (reason: string): void => {
    if (isUp) {
      void primary.drain(reason);
    } else {
      early ??= reason;
    }
  };
  for (const signal of SIGNALS) {
    // It is the supervisor that ends a server. Who signals a whole group means it too, and that once.
    process.on(signal, () =>
      link === null ? stop(signal) : link.send({ kind: 'signalled', signal }),
    );
  }
  let wantsReload = false;
  const reload = (): void => {
    if (isUp) void primary.reload(RELOAD_SIGNAL);
    else wantsReload = true;
  };
  process.on(RELOAD_SIGNAL, reload);
  process.on('SIGUSR2', () => {
    primary.logger.warn('SIGUSR2 is for the supervisor; nothing was changed');
  });
  link?.listen({
    onSignal: (signal) => {
      if (signal === RELOAD_SIGNAL) reload();
      else stop(signal);
    },
    onAdminConnection: (socket) => primary.takeAdminConnection(socket),
    onHandOver: () => void primary.giveOver(),
    onTakeOver: (payload) => primary.handOver?.onTakeOver(payload),
    onAsk: async (payload) => (await primary.handOver?.onAsk(payload)) ?? null,
    onTell: (payload) => void primary.handOver?.onTell(payload),
    onAlone: () => void primary.handOver?.onAlone(),
    onOrphaned: () => stop('the supervisor is gone'),
  });
  try {
    await primary.start();
  } catch (error) {
    demo?.close();
    link?.close();
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

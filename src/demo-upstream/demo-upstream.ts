/**
 * The simulated LLM: what `npm start` talks to when there is no provider key, what tests call, and the mock
 * in measurements. It shows its defects on demand only (behaviour.ts); docs/demo-upstream.md tells how.
 */
import type { Downstream } from '../accept/downstream.js';
import { Listener } from '../accept/listener.js';
import type { RequestHead } from '../exchange.js';
import { DemoRequest } from './demo-request.js';
import { PaceWheel } from './pace-wheel.js';

export interface DemoUpstreamOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Told of defects of the simulated LLM itself; the request at fault is cut. */
  readonly onFault: (error: unknown) => void;
}

export interface DemoUpstream {
  readonly port: number;
  /** New connections are refused; those that are open go on. */
  stopListening(): void;
  /** Cuts whatever still runs. */
  close(): void;
  /** Requests that are not wholly answered. */
  inFlight(): number;
}

/** @throws Error when the address can't be listened on, also when another process does so already. */
export function startDemoUpstream(options: DemoUpstreamOptions): DemoUpstream {
  const wheel = new PaceWheel(options.onFault);
  let inFlight = 0;
  const onDone = (): void => {
    inFlight -= 1;
  };
  const listener = new Listener({
    tls: null,
    addresses: null,
    peers: null,
    onRequest(downstream: Downstream, head: RequestHead): void {
      inFlight += 1;
      new DemoRequest(downstream, head, wheel, onDone, options.onFault).start();
    },
    onFault: options.onFault,
    onConnections: () => {},
  });
  const port = listener.listen(options.host, options.port, true);
  return {
    port,
    stopListening: () => listener.stopListening(),
    close(): void {
      wheel.close();
      listener.close();
    },
    inFlight: () => inFlight,
  };
}

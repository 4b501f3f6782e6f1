/**
 * One request of Weir's own to a provider, to see whether it is well: a GET, or a call for one token in its dialect.
 * It goes the way of every other call, so that what holds for those, such as TLS, is checked with it.
 */
import type { HealthCheckConfig, ProviderConfig, TlsMaterial } from '../config/model.js';
import { BOUNDS } from '../core/bounds.js';
import { wallClockMs } from '../core/clock.js';
import { Deadlines } from '../core/deadlines.js';
import { GatewayError } from '../core/errors.js';
import { DIALECTS } from '../dialects/registry.js';
import type { UpstreamCall, UpstreamObserver } from './call.js';
import type { UpstreamRequest } from './engine.js';
import { Provider } from './provider.js';
import { createTemplate } from './request.js';
import type { ResponseHead } from './response-head.js';
import { readRetryAfterMs } from './retry-after.js';

/** `throttled`: it answered that it is asked too often. `unclear`: it answered, but not to the question. */
export type ProbeOutcome = 'well' | 'failed' | 'throttled' | 'unclear';

export interface ProbeResult {
  readonly outcome: ProbeOutcome;
  /** For the log, such as `status 503` or `connect_timeout`; nothing of what the provider wrote. */
  readonly detail: string;
  /** How long the provider wants to be left alone, with 429 and 503; -1: it did not say. */
  readonly retryAfterMs: number;
}

/** Sends the checks of one provider, one at a time. */
export class Prober {
  readonly #provider: Provider;
  readonly #request: UpstreamRequest;
  readonly #timeoutMs: number;
  readonly #judgeStatus: (status: number) => ProbeOutcome;

  /** @param tls what the files of the provider's `tls` hold. */
  constructor(config: ProviderConfig, check: HealthCheckConfig, tls: TlsMaterial | null = null) {
    const { timeoutMs } = check;
    this.#timeoutMs = timeoutMs;
    this.#request = writeProbe(config, check);
    const hasKey = config.apiKey !== null;
    this.#judgeStatus = (status) => judgeStatus(status, check.model !== null, hasKey);
    const checked: ProviderConfig = {
      ...config,
      timeouts: {
        ...config.timeouts,
        connectMs: timeoutMs,
        firstByteMs: timeoutMs,
        idleMs: timeoutMs,
      },
      // Each check has a connection of its own: that one can be had is part of the question.
      connections: { ...config.connections, keepAliveMs: 1, warm: 0 },
    };
    const share = { connectionsMax: 1, queueMax: 1, warm: 0 };
    const events = {
      onConnections: () => {},
      onQueue: () => {},
      onQueueRefused: () => {},
      onReplay: () => {},
    };
    this.#provider = new Provider(checked, share, new Deadlines(), events, { tls });
  }

  /** Never rejects; ends at the latest when the check's time is over. */
  probe(): Promise<ProbeResult> {
    return new Promise((resolve) => {
      const answer = new ProbeAnswer(this.#judgeStatus, resolve);
      try {
        const call = this.#provider.send({ ...this.#request }, answer);
        answer.begin(call, this.#timeoutMs);
      } catch (error) {
        answer.onUpstreamFailure(error);
      }
    });
  }

  /** A check that is under way is given up: its promise stays open. */
  close(): void {
    this.#provider.close();
  }
}

class ProbeAnswer implements UpstreamObserver {
  readonly #judgeStatus: (status: number) => ProbeOutcome;
  readonly #resolve: (result: ProbeResult) => void;
  #call: UpstreamCall | null = null;
  #timer: NodeJS.Timeout | null = null;
  #status = 0;
  #retryAfterMs = -1;
  #bytes = 0;
  #isOver = false;

  constructor(
    judgeStatus: (status: number) => ProbeOutcome,
    resolve: (result: ProbeResult) => void,
  ) {
    this.#judgeStatus = judgeStatus;
    this.#resolve = resolve;
  }

  begin(call: UpstreamCall, timeoutMs: number): void {
    this.#call = call;
    if (this.#isOver) return;
    this.#timer = setTimeout(() => {
      call.cancel();
      this.#end({ outcome: 'failed', detail: 'timeout', retryAfterMs: -1 });
    }, timeoutMs).unref();
  }

  onUpstreamSent(): void {}

  onUpstreamHead(head: ResponseHead): void {
    this.#status = head.status;
    if (head.status === 429 || head.status === 503) {
      this.#retryAfterMs = readRetryAfterMs(head.lines, wallClockMs());
    }
  }

  onUpstreamData(chunk: Buffer): void {
    this.#bytes += chunk.length;
  }

  onUpstreamTurn(): void {
    if (this.#bytes > BOUNDS.healthCheckBytesMax) {
      this.#call?.cancel();
      this.onUpstreamEnd();
    }
  }

  onUpstreamEnd(): void {
    const outcome = this.#judgeStatus(this.#status);
    const retryAfterMs = this.#retryAfterMs;
    this.#end({ outcome, detail: `status ${this.#status}`, retryAfterMs });
  }

  onUpstreamFailure(failure: unknown): void {
    const detail = failure instanceof GatewayError ? failure.code : 'internal_error';
    this.#end({ outcome: 'failed', detail, retryAfterMs: -1 });
  }

  #end(result: ProbeResult): void {
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#resolve(result);
  }
}

function writeProbe(config: ProviderConfig, check: HealthCheckConfig): UpstreamRequest {
  const dialect = DIALECTS[config.dialect];
  const credential = config.apiKey === null ? null : dialect.credential(config.apiKey);
  const { basePath, credentialLine } = createTemplate(config, credential);
  const token = check.model === null ? null : dialect.tokenRequest(check.model);
  const path = token?.path ?? check.path ?? '/';
  // What begins as clients' paths do lies where theirs do; any other path begins at the provider's root.
  const isApi = /^\/v1(?:[/?]|$)/.test(path);
  const target = isApi ? basePath + path.slice(API_PREFIX.length) : path;
  const headers: (readonly [string, string])[] = [
    ['accept', 'application/json'],
    ['user-agent', 'weir-health-check'],
    ...(token === null
      ? // Anthropic's API asks for its version with every request.
        dialect.tokenRequest('').headers
      : [...token.headers, ['content-type', 'application/json'] as const]),
  ];
  const body = token === null ? null : Buffer.from(token.body, 'utf8');
  return {
    method: token === null ? 'GET' : 'POST',
    target: target.startsWith('/') ? target : `/${target}`,
    headerLines: headers.map(([name, value]) => `\r\n${name}: ${value}`).join('') + credentialLine,
    pieces: body === null ? [] : [body],
    isLent: false,
    place: null,
    upload: null,
    isRepeatable: true,
    bodyBytes: body?.length ?? 0,
  };
}

const API_PREFIX = '/v1';

function judgeStatus(status: number, isCall: boolean, hasKey: boolean): ProbeOutcome {
  if (status >= 200 && status < 400) return 'well';
  if (status === 429) return isCall ? 'throttled' : 'unclear';
  // Without a key of its own Weir is a stranger there; that it is told so shows that somebody is there.
  if ((status === 401 || status === 403) && !hasKey) return 'well';
  // A model that does not know a parameter of the call: it was there to say so.
  if ((status === 400 || status === 422) && isCall) return 'unclear';
  return 'failed';
}

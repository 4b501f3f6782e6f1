/** A gateway in front of scripted providers `a`, `b` and `c`, with models over them; what tests of attempts ask of it. */
import { pause } from './changes.js';
import { type EngineName, stopAll, UPSTREAM_KEY } from './engine-matrix.js';
import { type ConfigText, type Gateway, type LogLine, startGateway } from './gateway.js';
import { renderJson, renderRequest } from './http-text.js';
import { findClosedPort, MockUpstream, type Script, send } from './mock-upstream.js';
import { RawClient } from './raw-client.js';
import type { HttpMessage } from './strict-http.js';

type Name = 'a' | 'b' | 'c';

/** What a line of the access log says of an attempt. */
export interface AttemptLine {
  readonly provider: string;
  readonly model: string | null;
  readonly class: string;
  readonly ms: number;
}

export interface Asked {
  readonly answer: HttpMessage;
  readonly line: LogLine;
  readonly attempts: readonly AttemptLine[] | null;
}

export const GOOD: Script = [send(renderJson({ good: true }))];

export class SeveralTargets {
  readonly upstreams: Readonly<Record<Name, MockUpstream>>;
  gateway!: Gateway;
  readonly #scripts: Record<Name, Script>;

  private constructor(upstreams: Record<Name, MockUpstream>, scripts: Record<Name, Script>) {
    this.upstreams = upstreams;
    this.#scripts = scripts;
  }

  /** @param models by name, whatever the file may say; providers are `a`, `b`, `c`, and `closed`, which refuses. */
  static async start(
    engine: EngineName,
    models: ConfigText,
    overrides: ConfigText = {},
    provider: ConfigText = {},
    more: ConfigText = {},
  ): Promise<SeveralTargets> {
    const scripts: Record<Name, Script> = { a: GOOD, b: GOOD, c: GOOD };
    const begin = (name: Name) => MockUpstream.start({ script: () => scripts[name] });
    const upstreams = { a: await begin('a'), b: await begin('b'), c: await begin('c') };
    const scene = new SeveralTargets(upstreams, scripts);
    const urls = {
      a: upstreams.a.baseUrl,
      b: upstreams.b.baseUrl,
      c: upstreams.c.baseUrl,
      closed: `http://127.0.0.1:${await findClosedPort()}/v1`,
    };
    const providers = Object.fromEntries(
      Object.entries(urls).map(([name, base_url]) => [
        name,
        { dialect: 'openai', api_key: UPSTREAM_KEY, engine, base_url, ...provider },
      ]),
    );
    Object.assign(providers, more);
    scene.gateway = await startGateway({
      workers: 1,
      config: { providers, models, ...overrides },
    });
    return scene;
  }

  /** What the providers do from now on; those that are not named answer well. */
  play(scripts: Partial<Record<Name, Script>>): void {
    Object.assign(this.#scripts, { a: GOOD, b: GOOD, c: GOOD }, scripts);
  }

  counts(): Record<Name, number> {
    const { a, b, c } = this.upstreams;
    return { a: a.requests.length, b: b.requests.length, c: c.requests.length };
  }

  ask(model: string, more: ConfigText = {}, timeoutMs = 5000): Promise<Asked> {
    return askModel(this.gateway, model, more, timeoutMs);
  }

  /** Until an attempt of this outcome has been counted. */
  async waitForAttempt(model: string, provider: string, outcome: string): Promise<void> {
    const endMs = performance.now() + 5000;
    for (;;) {
      const found = (await this.gateway.metrics()).find(
        ({ name, labels }) =>
          name === 'weir_attempts_total' &&
          labels['model'] === model &&
          labels['provider'] === provider &&
          labels['class'] === outcome,
      );
      if (found !== undefined && found.value > 0) return;
      if (performance.now() > endMs) throw new Error(`no attempt of ${provider} was ${outcome}`);
      await pause(10);
    }
  }

  async stop(): Promise<void> {
    const { a, b, c } = this.upstreams;
    await stopAll(this.gateway, a, b, c);
  }
}

/** A chat call and what came of it. @param more of its body, but for `headers`. */
export async function askModel(
  gateway: Gateway,
  model: string,
  more: ConfigText = {},
  timeoutMs = 5000,
): Promise<Asked> {
  const { headers = [], ...fields } = more;
  const client = await RawClient.connect({ port: gateway.port });
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }], ...fields });
  client.send(
    renderRequest({
      target: '/v1/chat/completions',
      headers: headers as [string, string][],
      body,
    }),
  );
  const answer = await client.readResponse({ timeoutMs });
  const id = answer.header('x-weir-id');
  const line = await gateway.waitForLog((entry) => entry['id'] === id);
  client.destroy();
  return { answer, line, attempts: (line['attempts'] ?? null) as AttemptLine[] | null };
}

/** A row of `/api/targets`, as far as tests read it. */
export interface TargetView {
  readonly model: string;
  readonly provider: string;
  readonly state: string;
  readonly consecutive_failures: number;
  readonly ejections_total: number;
  readonly throttle_factor: number;
  readonly throttled_ms: number;
}

export async function readTarget(
  gateway: Gateway,
  model: string,
  provider: string,
): Promise<TargetView> {
  const response = await fetch(`${gateway.adminUrl}/api/targets?model=${model}`);
  const { targets } = (await response.json()) as { targets: readonly TargetView[] };
  const found = targets.find((target) => target.provider === provider);
  if (found === undefined) throw new Error(`no target of ${model} at ${provider}`);
  return found;
}

/** `provider:class` of each. */
export function tell(attempts: readonly AttemptLine[] | null): string[] {
  return (attempts ?? []).map((attempt) => `${attempt.provider}:${attempt.class}`);
}

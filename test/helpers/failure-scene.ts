/**
 * One gateway for all behaviours of failing providers. Each has a provider and models of its own:
 *
 *   ID          the failing target first, and a good one after it
 *   ID-alone    the failing target alone, which may be asked twice
 *   ID-chained  the failing target alone and once, with a chain of each kind behind it
 *   ID-unpaid   the failing target first, and after it one that no request comes to
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import type { FailureClassName } from '../../src/upstream/failure-classes.js';
import { makeCertificate } from './certificates.js';
import { type EngineName, stopAll, UPSTREAM_KEY } from './engine-matrix.js';
import { BEHAVIOURS, type Behaviour } from './failure-behaviours.js';
import { type ConfigText, type Gateway, startGateway } from './gateway.js';
import { renderJson, renderRequest } from './http-text.js';
import { MockUpstream, send } from './mock-upstream.js';
import { RawClient } from './raw-client.js';
import { type Asked, askModel } from './several-targets.js';

export interface Case extends Behaviour {
  readonly id: string;
  readonly className: FailureClassName;
}

export const CASES: readonly Case[] = Object.entries(BEHAVIOURS).flatMap(([name, behaviours]) =>
  behaviours.map((behaviour, at) => ({
    ...behaviour,
    id: `${name}-${at + 1}`,
    className: name as FailureClassName,
  })),
);

const CHAINS = ['any', 'context', 'content'] as const;
const RETRY = { backoff: '1ms' };
const PLAIN = 'plain';
/** So many providers and models take a while on a busy machine. */
const START_MS = 30_000;

export class FailureScene {
  /** Providers that fail, where they are scripted, by the case's id. */
  readonly #failing = new Map<string, MockUpstream>();
  readonly #folder = mkdtempSync(join(tmpdir(), 'weir-failures-'));
  readonly #blockers: RawClient[] = [];
  #good!: MockUpstream;
  #tls: Server | null = null;
  gateway!: Gateway;

  static async start(engine: EngineName): Promise<FailureScene> {
    const scene = new FailureScene();
    try {
      await scene.#begin(engine);
    } catch (error) {
      await scene.stop();
      throw error;
    }
    return scene;
  }

  async #begin(engine: EngineName): Promise<void> {
    this.#good = await MockUpstream.start({
      script: ({ text }) => [send(renderJson({ served: JSON.parse(text).model }))],
    });
    // A port that was free a moment ago may be the next provider's; this one is given to nobody.
    const closed = 'http://127.0.0.1:1/v1';
    const places = { closed, untrusted: await this.#listenUntrusted() };
    const own = { dialect: 'openai', api_key: UPSTREAM_KEY, engine };
    const providers: Record<string, ConfigText> = {
      good: { ...own, base_url: this.#good.baseUrl },
      closed: { ...own, base_url: closed },
    };
    const models: Record<string, ConfigText> = {};
    for (const chain of CHAINS) models[`to-${chain}`] = { provider: 'good', model: chain };
    for (const one of CASES) {
      providers[one.id] = { ...own, base_url: await this.#place(one, places), ...one.provider };
      Object.assign(models, modelsOf(one));
    }
    const unlimited = { keys: [`wk-${PLAIN}`] };
    const limits = [
      { requests: 1000, per: '1d' },
      { tokens: 1_000_000, per: '1d' },
    ];
    const consumers = Object.fromEntries(
      CASES.map(({ id }) => [id, { keys: [`wk-${id}`], limits }]),
    );
    this.gateway = await startGateway({
      workers: 1,
      readyMs: START_MS,
      config: {
        retry: { budget: 100 },
        providers,
        models,
        consumers: { [PLAIN]: unlimited, ...consumers },
      },
    });
    for (const one of CASES) {
      if (one.at === 'full queue') await this.#fillQueue(one);
    }
  }

  async #place(one: Case, places: { closed: string; untrusted: string }): Promise<string> {
    switch (one.at) {
      case 'closed port':
        return places.closed;
      case 'no name':
        // A label of 64 characters can't be asked for, whatever resolver there is.
        return `http://${'x'.repeat(64)}.invalid/v1`;
      case 'untrusted TLS':
        return places.untrusted;
      default: {
        const isMute = one.at === 'mute TLS';
        const upstream = await MockUpstream.start({
          script: () => one.script ?? [],
          reads: isMute ? 'never' : 'all',
        });
        this.#failing.set(one.id, upstream);
        return isMute ? upstream.tlsBaseUrl : upstream.baseUrl;
      }
    }
  }

  async #listenUntrusted(): Promise<string> {
    const { cert, key } = makeCertificate(this.#folder, 'untrusted');
    const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) });
    this.#tls = server;
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return `https://127.0.0.1:${address.port}/v1`;
  }

  /** A request that stays where it is takes the only connection. */
  async #fillQueue({ id }: Case): Promise<void> {
    const client = await RawClient.connect({ port: this.gateway.port });
    this.#blockers.push(client);
    const body = JSON.stringify({ model: `${id}-alone` });
    const headers: [string, string][] = [['authorization', `Bearer wk-${PLAIN}`]];
    client.send(renderRequest({ target: '/v1/chat/completions', headers, body }));
    await this.#failing.get(id)?.waitForRequest(0, START_MS);
  }

  /** @param consumer whose limits are charged; left out: nobody's. */
  ask(model: string, consumer: string = PLAIN): Promise<Asked> {
    const headers = [['authorization', `Bearer wk-${consumer}`]];
    return askModel(this.gateway, model, { headers, stream: true });
  }

  /** Requests that came to a case's provider so far; null: it has no say in that. */
  countRequests({ id, at }: Case): number | null {
    const upstream = this.#failing.get(id);
    return upstream === undefined || at === 'mute TLS' ? null : upstream.requests.length;
  }

  async stop(): Promise<void> {
    for (const client of this.#blockers) client.destroy();
    this.#tls?.close();
    rmSync(this.#folder, { recursive: true, force: true });
    await stopAll(this.gateway, this.#good, ...this.#failing.values());
  }
}

function modelsOf({ id, model }: Case): Record<string, ConfigText> {
  const first = { provider: id };
  const then = (provider: string) => ({ provider, model: `good-${id}`, priority: 1 });
  return {
    [id]: { targets: [first, then('good')], retry: { ...RETRY, attempts: 2 }, ...model },
    [`${id}-alone`]: { ...first, retry: { ...RETRY, attempts: 2 }, ...model },
    [`${id}-chained`]: {
      ...first,
      retry: { ...RETRY, attempts: 1 },
      fallbacks: ['to-any'],
      context_fallbacks: ['to-context'],
      content_fallbacks: ['to-content'],
      ...model,
    },
    [`${id}-unpaid`]: {
      targets: [first, then('closed')],
      retry: { ...RETRY, attempts: 2 },
      ...model,
    },
  };
}

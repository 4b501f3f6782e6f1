/** The server process is killed under load: it serves again at once, and the limits know what was spent. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pause } from '../../helpers/changes.js';
import { startGateway } from '../../helpers/gateway.js';
import { renderRequest } from '../../helpers/http-text.js';
import { readLimit } from '../../helpers/limited.js';
import { startLoadUpstream } from '../../helpers/load.js';
import { RawClient } from '../../helpers/raw-client.js';
import { atLeast, atMost, type Outcome, type Scenario, told } from '../scenario.js';

const LONG_SECONDS = 160;
const KILLS_A_LONG_RUN = 10;
/** Longer than the supervisor takes for calm, so that it never waits. */
const BETWEEN_MS = 12_000;
const CLIENTS = 40;
const BUCKET = 1e7;
/** A snapshot each 2 s (docs/bounds.md), and what writing one may take beside the load. */
const SNAPSHOT_MS = 2_500;
const SERVING_MS_MAX = 1_000;
/** How long answers of the killed server may be under way; it takes longer to start another. */
const UNDER_WAY_MS = 100;
/** In a test among others only that it comes back is asked for. */
const SERVING_MS_SHORT = 20_000;

export const crash: Scenario = {
  name: 'crash',
  title: 'The server is killed under load',
  about:
    'kill -9 of the server process, ten times, while 40 connections ask without a pause. Measured is the time from each ' +
    'kill until the first request that is answered again, on the same port; and whether the next server’s buckets miss ' +
    'no more than what was spent within the last snapshot’s interval.',
  longSeconds: LONG_SECONDS,
  run,
};

/** Asks again and again, on a new connection where the old one is lost, and keeps when it was answered. */
class Client {
  isStopped = false;
  refused = 0;
  readonly done: Promise<void>;
  readonly #port: number;
  readonly #onAnswer: (atMs: number) => void;

  constructor(port: number, onAnswer: (atMs: number) => void) {
    this.#port = port;
    this.#onAnswer = onAnswer;
    this.done = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.isStopped) {
      const client = await RawClient.connect({ port: this.#port, recordsBytes: false }).catch(
        () => null,
      );
      if (client === null) {
        this.refused += 1;
        await pause(5);
        continue;
      }
      try {
        await this.#ask(client);
      } catch {
        // It was cut in the middle of an answer, as it must be when its server is killed.
      } finally {
        client.destroy();
      }
    }
  }

  async #ask(client: RawClient): Promise<void> {
    const headers: [string, string][] = [['authorization', 'Bearer wk-a']];
    const request = renderRequest({ target: '/v1/x', headers, body: '{"model":"m"}' });
    while (!this.isStopped) {
      client.send(request);
      const answer = await client.readResponseOrClose({ timeoutMs: 10_000 });
      if (answer?.status !== 200) return;
      this.#onAnswer(performance.now());
      await pause(20 * Math.random());
    }
  }
}

async function run({ seconds, say }: Parameters<Scenario['run']>[0]): Promise<Outcome> {
  const isLong = seconds >= LONG_SECONDS;
  const kills = isLong ? KILLS_A_LONG_RUN : 1;
  const stateDir = mkdtempSync(join(tmpdir(), 'weir-crash-'));
  const upstream = await startLoadUpstream({ events: 1, paceMs: 0 });
  const gateway = await startGateway({
    readyMs: 30_000,
    config: {
      state_dir: stateDir,
      providers: { mock: { dialect: 'openai', base_url: upstream.baseUrl, api_key: 'sk-x' } },
      models: { '*': { provider: 'mock' } },
      consumers: {
        a: { keys: ['wk-a'], limits: [{ requests: 10_000, per: '366d', burst: BUCKET }] },
      },
      log: { access: 'off' },
    },
  });
  const answersMs: number[] = [];
  const clients = Array.from(
    { length: CLIENTS },
    () => new Client(gateway.port, (atMs) => answersMs.push(atMs)),
  );
  const servingMs: number[] = [];
  let forgotten = 0;
  let tooMuch = 0;
  try {
    for (let count = 1; count <= kills; count += 1) {
      await pause(isLong ? BETWEEN_MS : 5000);
      const killedMs = performance.now();
      process.kill(gateway.pid, 'SIGKILL');
      const first = await untilAnswered(answersMs, killedMs);
      servingMs.push(first - killedMs);
      const { level } = await readLimit(gateway, 'a', 'requests');
      const counted = BUCKET - level;
      // Everything that was answered before the interval has to be there, and what was not is not.
      const sure = answersMs.filter((atMs) => atMs < killedMs - SNAPSHOT_MS).length;
      forgotten += Math.max(0, sure - counted);
      tooMuch += Math.max(0, counted - answersMs.length - CLIENTS * (count + 1));
      say(
        `kill ${count}: serving after ${Math.round(first - killedMs)} ms; ${counted} counted, ${sure} must be`,
      );
      // What the killed server forgot is no more in the bucket, so the count begins anew with what is.
      answersMs.splice(0, Math.max(0, answersMs.length - counted));
    }
    for (const client of clients) client.isStopped = true;
    await Promise.all(clients.map(({ done }) => done));
    await gateway.stop();
    servingMs.sort((a, b) => a - b);
    const bound = isLong ? SERVING_MS_MAX : SERVING_MS_SHORT;
    return {
      figures: [
        atLeast('kills', servingMs.length, kills),
        atMost(
          'longest time until requests were answered again',
          Math.round(servingMs.at(-1) ?? 0),
          bound,
          'ms',
        ),
        atMost('requests that the limit forgot, older than the last snapshot', forgotten, 0),
        atMost('requests that it counted and nobody was answered', tooMuch, 0),
        told(
          'median time until requests were answered again',
          `${Math.round(servingMs[servingMs.length >> 1] ?? 0)} ms`,
        ),
      ],
      notes: [],
    };
  } finally {
    for (const client of clients) client.isStopped = true;
    await gateway.kill();
    await upstream.stop();
    if (existsSync(stateDir)) rmSync(stateDir, { recursive: true, force: true });
  }
}

/** Answers that were on their way when the server was killed come yet, so a moment is waited for that can't be theirs. */
async function untilAnswered(answersMs: readonly number[], killedMs: number): Promise<number> {
  const endMs = killedMs + 60_000;
  while (performance.now() < endMs) {
    const first = answersMs.find((atMs) => atMs > killedMs + UNDER_WAY_MS);
    if (first !== undefined) return first;
    await pause(5);
  }
  throw new Error('nothing was answered for a minute');
}

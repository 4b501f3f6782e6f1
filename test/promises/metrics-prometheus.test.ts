/** A real Prometheus reads what a gateway serves, and evaluates the alerts that come with it. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ScratchFolder } from '../helpers/command.js';
import { startGateway } from '../helpers/gateway.js';
import { answerChat, askChat } from '../helpers/limited.js';
import { MockUpstream } from '../helpers/mock-upstream.js';
import { hasProgram, REPOSITORY, skipUnless } from '../helpers/need.js';
import { pollUntil } from '../helpers/poll.js';

const skip = skipUnless(hasProgram('prometheus'), 'Debian’s package prometheus');
const USAGE = { prompt_tokens: 100, completion_tokens: 20 };

/** What GET answers, of Prometheus's API. */
async function ask(url: string): Promise<Record<string, unknown>> {
  const { status, data } = (await (await fetch(url)).json()) as Record<string, unknown>;
  assert.equal(status, 'success');
  return data as Record<string, unknown>;
}

class Prometheus {
  readonly #folder = new ScratchFolder();
  readonly #child: ChildProcess;
  #said = '';

  constructor(target: string) {
    copyFileSync(
      join(REPOSITORY, 'config/prometheus/alerts.yaml'),
      join(this.#folder.path, 'alerts.yaml'),
    );
    const config = this.#folder.write(
      'prometheus.yaml',
      `global: { scrape_interval: 250ms, evaluation_interval: 250ms }
rule_files: [alerts.yaml]
scrape_configs:
  - job_name: weir
    static_configs: [{ targets: ["${target}"] }]
`,
    );
    this.#child = spawn(
      'prometheus',
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${this.#folder.path}/data`,
        '--web.listen-address=127.0.0.1:0',
        '--log.level=info',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.#child.stderr?.on('data', (piece: Buffer) => {
      this.#said += piece.toString();
    });
  }

  /** Where its API is. */
  async start(): Promise<string> {
    const readPort = (): string | null =>
      /Listening on" address=127\.0\.0\.1:(\d+)/.exec(this.#said)?.[1] ?? null;
    await pollUntil(
      () => readPort() !== null,
      20_000,
      () => `Prometheus to listen: ${this.#said}`,
    );
    return `http://127.0.0.1:${readPort()}/api/v1`;
  }

  async stop(): Promise<void> {
    const isOver = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.exitCode === null && this.#child.kill('SIGTERM')) await isOver;
    this.#folder.remove();
  }
}

test('Prometheus refuses a line, or an alert’s query fails', {
  skip,
  timeout: 60_000,
}, async () => {
  const upstream = await MockUpstream.start({
    script: ({ text }) => answerChat(text, USAGE),
  });
  const price = { input: 2.5, output: 10 };
  const gateway = await startGateway({
    config: {
      providers: { mock: { dialect: 'openai', base_url: upstream.baseUrl } },
      models: { 'gpt-4o': { provider: 'mock', price }, 'a"b\\c': { provider: 'mock' } },
      consumers: { 'team "ä"': { keys: ['wk-one'], limits: [{ requests: 100, per: '1h' }] } },
    },
  });
  const prometheus = new Prometheus(new URL(gateway.adminUrl).host);
  try {
    const url = await prometheus.start();
    for (const stream of [true, false]) {
      const answer = await askChat(gateway, 'one', { stream });
      assert.equal(answer.status, 200, await answer.text());
    }
    const query = async (expr: string): Promise<[Record<string, string>, number][]> => {
      const found = await ask(`${url}/query?query=${encodeURIComponent(expr)}`);
      const result = found['result'] as {
        metric: Record<string, string>;
        value: [number, string];
      }[];
      return result.map(({ metric, value }) => [metric, Number(value[1])]);
    };
    const isIn = async (): Promise<boolean> =>
      (await query('sum(gen_ai_client_token_usage_sum)'))[0]?.[1] === 240;
    await pollUntil(isIn, 20_000, 'what was asked to be scraped');
    const { activeTargets } = (await ask(`${url}/targets`)) as {
      activeTargets: { health: string; lastError: string }[];
    };
    assert.deepEqual(
      activeTargets.map(({ health, lastError }) => [health, lastError]),
      [['up', '']],
    );
    const [one] = await query('weir_consumer_tokens_total{type="input"}');
    assert.deepEqual([one?.[0]['consumer'], one?.[1]], ['team "ä"', 200]);
    const first = 'histogram_quantile(0.5, gen_ai_server_time_to_first_token_seconds_bucket)';
    const [quantile] = await query(first);
    assert.equal(quantile?.[0]['gen_ai_operation_name'], 'chat');
    assert.ok(Number(quantile?.[1]) > 0);
    const names = await query('count by (model) (weir_requests_total)');
    assert.deepEqual(names.map(([{ model }]) => model).sort(), ['a"b\\c', 'gpt-4o']);
    const metadata = await ask(`${url}/metadata?metric=weir_duration_seconds`);
    const [told] = metadata['weir_duration_seconds'] as { type: string }[];
    assert.equal(told?.type, 'histogram');

    const readRules = async () => {
      const { groups } = (await ask(`${url}/rules`)) as {
        groups: { rules: { name: string; health: string; lastError?: string; state: string }[] }[];
      };
      return groups.flatMap(({ rules }) => rules);
    };
    const areEvaluated = async (): Promise<boolean> =>
      (await readRules()).every(({ health }) => health !== 'unknown');
    await pollUntil(areEvaluated, 20_000, 'all alerts to be evaluated');
    const rules = await readRules();
    assert.ok(rules.length > 20);
    assert.deepEqual(
      rules.filter(({ health, state }) => health !== 'ok' || state === 'firing'),
      [],
    );
  } finally {
    await prometheus.stop();
    await gateway.stop();
    await upstream.stop();
  }
});

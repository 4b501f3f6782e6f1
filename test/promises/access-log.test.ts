/** The access log on real sockets: how an exchange ended in two letters, a share of those that ended well, no secret. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type ConfigText, type Gateway, type LogLine, startGateway } from '../helpers/gateway.js';
import {
  LAST_CHUNK,
  renderChunk,
  renderHead,
  renderJson,
  renderRequest,
} from '../helpers/http-text.js';
import { sumMetric } from '../helpers/metrics-text.js';
import {
  findClosedPort,
  type MockRequest,
  MockUpstream,
  rst,
  type Script,
  send,
  stall,
} from '../helpers/mock-upstream.js';
import { pollUntil } from '../helpers/poll.js';
import { RawClient } from '../helpers/raw-client.js';
import { turnTo } from '../helpers/reload.js';
import type { HeaderPair } from '../helpers/strict-http.js';

const SECRETS = ['a-key-of-the-provider', 'the-key-of-another-one', 'a-token-for-debugging'];
const [KEY = '', OTHER_KEY = '', DEBUG_TOKEN = ''] = SECRETS;
const EVENT = renderChunk('data: {"a":1}\n\n');
const STREAM_HEAD = renderHead('HTTP/1.1 200 OK', [
  ['content-type', 'text/event-stream'],
  ['transfer-encoding', 'chunked'],
]);

/** What a request's body asks the provider to do. */
const DEEDS: Readonly<Record<string, Script>> = {
  good: [send(renderJson({ ok: true }))],
  stream: [send(STREAM_HEAD), send(EVENT), send(LAST_CHUNK)],
  error: [send(renderJson({ error: {} }, { status: 500 }))],
  refusal: [send(renderJson({ error: {} }, { status: 400 }))],
  reset: [rst()],
  garbage: [send('HTTP/1.1 abc\r\n\r\n')],
  cut: [send(STREAM_HEAD), send(EVENT), rst()],
  silence: [stall()],
  beginning: [send(STREAM_HEAD), send(EVENT), stall()],
  'repeats-the-key': [send(`HTTP/1.1 ${KEY} ${KEY}\r\n${KEY}: ${KEY}\r\n\r\n${KEY}`)],
};

interface Case {
  readonly deed: string;
  readonly end: string;
  /** null: the client leaves when the provider has the request. */
  readonly status: number | null;
  /** The client leaves when the head has come. */
  readonly isLeft?: boolean;
  readonly model?: string;
  readonly target?: string;
  readonly headers?: readonly HeaderPair[];
}

/** Everything but a plain success. */
const CASES: readonly Case[] = [
  { deed: 'error', end: '--', status: 500 },
  { deed: 'refusal', end: '--', status: 400 },
  { deed: 'reset', end: 'SH', status: 502 },
  { deed: 'garbage', end: 'SH', status: 502 },
  { deed: 'cut', end: 'SD', status: 200 },
  { deed: 'good', end: 'SC', status: 502, model: 'down' },
  { deed: 'silence', end: 'sH', status: 504, model: 'hasty' },
  { deed: 'beginning', end: 'sD', status: 200, model: 'lively' },
  { deed: 'silence', end: 'DH', status: 504, headers: [['x-weir-timeout', '800ms']] },
  { deed: 'silence', end: 'CH', status: null },
  { deed: 'beginning', end: 'CD', status: 200, isLeft: true },
  { deed: 'good', end: 'PR', status: 404, model: 'none-of-that-name' },
  { deed: 'good', end: 'PR', status: 404, target: '/nowhere' },
  { deed: 'good', end: 'PR', status: 400, target: '/v1/../x' },
  { deed: 'good', end: 'PR', status: 400, headers: [['x-weir-timeout', 'soon']] },
  { deed: 'good', end: '--', status: 200, model: 'pair' },
];
const GOOD_STREAM: Case = { deed: 'stream', end: '--', status: 200 };
const ROUNDS = 3;
const GOOD = 300;
const CLIENTS = 8;
const SHARE = 0.01;

describe('access log', { timeout: 60_000 }, () => {
  let upstream: MockUpstream;
  let gateway: Gateway;
  let config: ConfigText;
  let asked = 0;

  before(async () => {
    upstream = await MockUpstream.start({
      script: (request) => DEEDS[readDeed(request)] ?? [],
    });
    const nobody = `http://127.0.0.1:${await findClosedPort()}/v1`;
    const mock = { dialect: 'openai', base_url: upstream.baseUrl, api_key: KEY };
    const breaker = 'off';
    config = {
      debug_token: DEBUG_TOKEN,
      log: { sample: SHARE },
      retry: { attempts: 1, budget: 100 },
      providers: {
        mock: { ...mock, breaker },
        closed: { dialect: 'openai', base_url: nobody, api_key: OTHER_KEY, breaker },
      },
      models: {
        m: { provider: 'mock' },
        hasty: { provider: 'mock', timeouts: { first_byte: '200ms' } },
        lively: { provider: 'mock', timeouts: { idle: '200ms' } },
        down: { provider: 'closed' },
        pair: { provider: 'closed', fallbacks: ['m'] },
      },
    };
    gateway = await startGateway({ workers: 1, config });
  });

  after(async () => {
    await gateway?.kill();
    await upstream?.stop();
  });

  async function ask(wanted: Case): Promise<void> {
    const { deed, model = 'm', target = '/v1/chat/completions', headers = [] } = wanted;
    asked += 1;
    const body = JSON.stringify({ model, deed, number: asked });
    const client = await RawClient.connect({ port: gateway.port });
    try {
      client.send(renderRequest({ target, headers, body }));
      if (wanted.status !== null) {
        const answer = await client.readResponse(wanted.isLeft === true ? { toHead: true } : {});
        assert.equal(answer.status, wanted.status, JSON.stringify(wanted));
      } else {
        const hasCome = () => upstream.requests.find(({ text }) => text === body);
        await upstream.waitFor(hasCome, 5000, 'the request');
      }
    } finally {
      client.destroy();
    }
  }

  const good: Case = { deed: 'good', end: '--', status: 200 };
  const eventful = (): LogLine[] => gateway.accessLines().filter((line) => !('sample' in line));
  const drawn = (): LogLine[] => gateway.accessLines().filter((line) => 'sample' in line);
  const readSum = async (name: string): Promise<number> => sumMetric(await gateway.metrics(), name);

  it('P-32 failures-are-left-out-where-a-share-of-the-good-ones-is-logged', async () => {
    const failures = Array.from({ length: ROUNDS }, () => CASES).flat();
    const successes = Array.from({ length: GOOD }, (_, at) => (at % 2 > 0 ? good : GOOD_STREAM));
    const queue = mix(successes, failures);
    await Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        for (let next = queue.pop(); next !== undefined; next = queue.pop()) await ask(next);
      }),
    );
    const told = (line: LogLine) => `${line['end']} ${line['status']}`;
    const due = failures.map(({ end, status }) => `${end} ${status}`);
    await pollUntil(() => eventful().length >= due.length, 5000, 'the lines of all failures');
    assert.deepEqual(eventful().map(told).sort(), due.sort());
    const retried = eventful().filter((line) => line['end'] === '--' && line['status'] === 200);
    assert.ok(retried.every((line) => (line['attempts'] as unknown[]).length === 2));

    const all = successes.length + failures.length;
    const drawnOut = GOOD - GOOD * SHARE;
    const areCounted = async () => (await readSum('weir_log_lines_sampled_out_total')) >= drawnOut;
    await pollUntil(areCounted, 5000, 'all exchanges to be counted');
    assert.equal(await readSum('weir_exchanges_total'), all);
    await pollUntil(() => drawn().length >= GOOD * SHARE, 5000, 'the lines of the share');
    assert.equal(drawn().length, GOOD * SHARE);
    assert.ok(drawn().every((line) => line['sample'] === SHARE && line['end'] === '--'));
    assert.equal(await readSum('weir_log_lines_sampled_out_total'), drawnOut);
    assert.equal(await readSum('weir_log_lines_dropped_total'), 0);
  });

  it('P-32 sampling-goes-on-after-a-reload-that-ends-it', async () => {
    await turnTo(gateway, { ...config, log: { sample: 1 } }, 1);
    const before = eventful().length;
    for (let count = 0; count < 5; count += 1) await ask(good);
    await pollUntil(() => eventful().length >= before + 5, 5000, 'a line for each exchange');
    await turnTo(gateway, { ...config, log: { sample: 0.5 } }, 1);
    const drawnBefore = drawn().length;
    for (let count = 0; count < 10; count += 1) await ask(good);
    await pollUntil(() => drawn().length >= drawnBefore + 5, 5000, 'a line for every second one');
    assert.deepEqual([eventful().length, drawn().length], [before + 5, drawnBefore + 5]);
    assert.equal(drawn().at(-1)?.['sample'], 0.5);
    await turnTo(gateway, config, 1);
  });

  it('P-32 secret-gets-into-the-log', async () => {
    const before = eventful().length;
    // The last one is cut in the message that says so.
    const models = [...SECRETS, `${'x'.repeat(120)}${KEY}`];
    const model = (name: string): Case => ({ ...good, status: 404, model: name });
    const path = (text: string): Case => ({ ...good, status: 404, target: `/nowhere/${text}` });
    const said: Case = { ...good, status: 502, deed: 'repeats-the-key' };
    const header: Case = { ...good, status: 400, headers: [['x-weir-timeout', KEY]] };
    const cases = [...models.map(model), ...SECRETS.map(path), said, header];
    for (const wanted of cases) await ask(wanted);
    await pollUntil(() => eventful().length >= before + cases.length, 5000, 'all lines');
    const text = JSON.stringify(gateway.logs) + gateway.strayLines.join() + gateway.stderr;
    for (const secret of SECRETS) {
      assert.ok(!text.includes(secret.slice(0, 12)), `${secret} is in the log`);
    }
    assert.match(text, /x{120}\[redacted\]…/);
  });
});

/** The rare ones spread evenly among the others. */
function mix<T>(many: readonly T[], few: readonly T[]): T[] {
  const every = Math.floor(many.length / few.length);
  return many.flatMap((item, at) => {
    const rare = at % every === 0 ? few[at / every] : undefined;
    return rare === undefined ? [item] : [item, rare];
  });
}

function readDeed(request: MockRequest): string {
  return (JSON.parse(request.text) as { deed: string }).deed;
}

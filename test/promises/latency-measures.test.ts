/** Every latency that is measured, over real sockets: each has as many values as exchanges that came that far. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { decodeFromCompressedBase64 } from 'hdr-histogram-js';
import { Changes } from '../helpers/changes.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { renderJson } from '../helpers/http-text.js';
import { answerChat, askChat, chatBody } from '../helpers/limited.js';
import { sumMetric } from '../helpers/metrics-text.js';
import { MockUpstream, rst, type Script, send, stall, waitFor } from '../helpers/mock-upstream.js';
import { pollUntil } from '../helpers/poll.js';

const WHOLE = 6;
const STREAMS = 4;
const NARROW = 5;
const USAGE = { prompt_tokens: 100, completion_tokens: 20 };

interface Series {
  readonly measure: string;
  readonly model: string | null;
  readonly provider: string | null;
  readonly status: string | null;
  readonly count: number;
  readonly p50: number;
  readonly max: number;
}

/** What a request's text asks for. */
function answer(text: string): Script {
  if (text.includes('refuse')) return [send(renderJson({ error: {} }, { status: 400 }))];
  if (text.includes('break-off')) return [rst()];
  if (text.includes('say-nothing')) return [stall()];
  return answerChat(text, USAGE);
}

describe('latencies', () => {
  const changes = new Changes();
  let isOpen = false;
  const gate = changes.until(() => (isOpen ? true : undefined), 30_000, 'the gate');
  let wide: MockUpstream;
  let narrow: MockUpstream;
  let gateway: Gateway;

  before(async () => {
    wide = await MockUpstream.start({ script: ({ text }) => answer(text) });
    narrow = await MockUpstream.start({
      script: () => [waitFor(gate), send(renderJson(chatBody(1, 1)))],
    });
    gateway = await startGateway({
      workers: 2,
      config: {
        providers: {
          wide: { dialect: 'openai', base_url: wide.baseUrl },
          narrow: {
            dialect: 'openai',
            base_url: narrow.baseUrl,
            connections: { max: 1, queue: 100, queue_timeout: '30s' },
          },
        },
        models: { 'gpt-4o': { provider: 'wide' }, small: { provider: 'narrow' } },
        consumers: { one: { keys: ['wk-one'], limits: [{ tokens: 10_000_000, per: '1h' }] } },
        retry: { attempts: 1 },
      },
    });
  });

  after(async () => {
    await gateway?.stop();
    await narrow?.stop();
    await wide?.stop();
  });

  async function ask(expected: number, extra: Parameters<typeof askChat>[2] = {}): Promise<void> {
    const response = await askChat(gateway, 'one', extra);
    assert.equal(response.status, expected, await response.text());
  }

  function say(content: string) {
    return { messages: [{ role: 'user', content }] };
  }

  /** Until so many were asked at once that some wait; @returns how many do. */
  async function fillNarrow(): Promise<number> {
    const asked = Array.from({ length: NARROW }, () => ask(200, { model: 'small' }));
    let waiting = 0;
    await pollUntil(
      async () => {
        waiting = sumMetric(await gateway.metrics(), 'weir_queue_length', { provider: 'narrow' });
        return waiting > 0 && waiting + narrow.requests.length === NARROW;
      },
      10_000,
      'all to be asked or to wait',
    );
    isOpen = true;
    changes.notify();
    await Promise.all(asked);
    return waiting;
  }

  async function leave(): Promise<void> {
    const asked = wide.requests.length;
    const leaving = new AbortController();
    const response = fetch(`${gateway.baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer wk-one', 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-4o', ...say('say-nothing') }),
      signal: leaving.signal,
    });
    await wide.waitForRequest(asked);
    leaving.abort();
    await assert.rejects(response);
  }

  async function read(query: string): Promise<readonly Series[]> {
    const response = await fetch(`${gateway.adminUrl}/api/histograms?${query}`);
    assert.equal(response.status, 200);
    return ((await response.json()) as { series: Series[] }).series;
  }

  it('histograms-lack-a-measure-or-count-what-was-not', async () => {
    for (let at = 0; at < WHOLE; at += 1) await ask(200);
    for (let at = 0; at < STREAMS; at += 1) await ask(200, { stream: true });
    await ask(400, say('refuse'));
    await ask(502, say('break-off'));
    await leave();
    const waited = await fillNarrow();
    await gateway.waitForAccessLines(WHOLE + STREAMS + NARROW + 3);

    const whole = await read('');
    const counts = whole.map(({ measure, provider, count }) => [`${measure} ${provider}`, count]);
    assert.deepEqual(Object.fromEntries(counts), {
      'first_byte wide': WHOLE + STREAMS + 1,
      'first_byte narrow': NARROW,
      'first_token wide': STREAMS,
      'output_token wide': STREAMS,
      'duration wide': WHOLE + STREAMS + 3,
      'duration narrow': NARROW,
      'added null': WHOLE + STREAMS + NARROW + 1,
      // Written, whatever became of them.
      'added_before null': WHOLE + STREAMS + NARROW + 3,
      'added_after null': WHOLE + STREAMS + NARROW + 1,
      'queue narrow': waited,
      'connect wide': wide.connections.length,
      'connect narrow': narrow.connections.length,
    });
    for (const { measure, p50, max } of whole) assert.ok(p50 > 0 && max >= p50, measure);
    const durations = (await read('status=each')).filter(({ measure }) => measure === 'duration');
    assert.deepEqual(
      Object.fromEntries(
        durations.map(({ provider, status, count }) => [`${provider} ${status}`, count]),
      ),
      {
        'wide 2xx': WHOLE + STREAMS,
        'wide 4xx': 1,
        'wide 5xx': 1,
        'wide none': 1,
        'narrow 2xx': NARROW,
      },
    );
    assert.deepEqual(
      (await read('status=5xx&model=gpt-4o')).map(({ measure, count }) => [measure, count]),
      [['duration', 1]],
    );
  });

  it('hdr-log-differs-from-the-percentiles', async () => {
    const each = await read('status=each');
    const response = await fetch(
      `${gateway.adminUrl}/api/histograms?${new URLSearchParams({ format: 'hdr', status: 'each' })}`,
    );
    const log = await response.text();
    const decoded = [...log.matchAll(/^Tag=([^,]+),.*,([^,]+)$/gm)].map(([, tag, text]) => {
      const histogram = decodeFromCompressedBase64(text ?? '');
      const [p50, max] = [50, 100].map((share) => histogram.getValueAtPercentile(share) / 1000);
      return [tag, histogram.totalCount, p50, max] as const;
    });
    const told = each.map(({ measure, provider, model, status, count, p50, max }) => {
      const tag = [measure, provider, model, status].filter((part) => part !== null).join(':');
      return [tag, count, p50, max] as const;
    });
    assert.deepEqual(decoded.toSorted(), told.toSorted());
    assert.equal(decoded.length, 15);
  });
});

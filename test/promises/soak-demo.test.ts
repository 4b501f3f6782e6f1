/** The built-in simulated LLM behind the gateway: 300 paced streams of each API at once, each as it is without Weir. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { within } from '../helpers/changes.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { renderRequest } from '../helpers/http-text.js';
import { REPOSITORY } from '../helpers/need.js';
import { RawClient } from '../helpers/raw-client.js';
import type { HeaderPair, HttpMessage } from '../helpers/strict-http.js';

const STREAMS = 300;
const PACED = '?tokens=50&pace_ms=5';

/** As the providers' own SDKs send them. */
const KINDS = [
  {
    target: `/v1/chat/completions${PACED}`,
    headers: [
      ['accept', 'application/json'],
      ['content-type', 'application/json'],
      ['user-agent', 'OpenAI/JS 6.48.0'],
      ['x-stainless-lang', 'js'],
      ['authorization', 'Bearer sk-test'],
    ],
    body: '{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Hi"}]}',
    last: 'data: [DONE]\n\n',
  },
  {
    target: `/v1/messages${PACED}`,
    headers: [
      ['content-type', 'application/json'],
      ['anthropic-version', '2023-06-01'],
      ['x-api-key', 'sk-ant-test'],
    ],
    body: '{"model":"claude-sonnet","max_tokens":1024,"stream":true,"messages":[{"role":"user","content":"Hi"}]}',
    last: 'event: message_stop\ndata: {"type":"message_stop"}\n\n',
  },
] satisfies readonly {
  target: string;
  headers: HeaderPair[];
  body: string;
  last: string;
}[];

let demo: ChildProcess;
let demoPort = 0;
let gateway: Gateway;

before(async () => {
  const main = join(REPOSITORY, 'dist', 'main.js');
  demo = spawn(process.execPath, [main, 'demo-upstream', '--listen', '127.0.0.1:0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.on('exit', () => demo.kill('SIGKILL'));
  assert.ok(demo.stdout !== null);
  const [line] = await within(once(demo.stdout, 'data'), 10_000, 'the simulated LLM');
  demoPort = Number(/127\.0\.0\.1:(\d+)/.exec(String(line))?.[1]);
  const baseUrl = `http://127.0.0.1:${demoPort}/v1`;
  gateway = await startGateway({
    config: {
      providers: {
        openai: { dialect: 'openai', base_url: baseUrl },
        anthropic: { dialect: 'anthropic', base_url: baseUrl },
      },
      models: { 'gpt-4o': { provider: 'openai' }, 'claude-sonnet': { provider: 'anthropic' } },
    },
  });
});

after(async () => {
  await gateway?.stop();
  const exited = once(demo, 'exit');
  demo.kill('SIGTERM');
  assert.deepEqual(await within(exited, 10_000, 'the end of the simulated LLM'), [0, null]);
});

async function ask(port: number, kind: (typeof KINDS)[number]): Promise<HttpMessage> {
  const client = await RawClient.connect({ port });
  try {
    client.send(renderRequest(kind));
    const response = await client.readResponse({ timeoutMs: 30_000 });
    assert.equal(response.status, 200, response.text);
    assert.ok(response.complete);
    assert.ok(response.text.endsWith(kind.last), 'the stream has its last event');
    return response;
  } finally {
    client.destroy();
  }
}

for (const kind of KINDS) {
  it(`a stream of the simulated LLM is altered or lost, ${kind.target}`, async () => {
    const direct = await ask(demoPort, kind);
    const relayed = await Promise.all(
      Array.from({ length: STREAMS }, () => ask(gateway.port, kind)),
    );
    for (const { sha256, bodyBytes } of relayed) {
      assert.deepEqual([bodyBytes, sha256], [direct.bodyBytes, direct.sha256]);
    }
  });
}

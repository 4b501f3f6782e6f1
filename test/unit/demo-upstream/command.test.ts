import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { OperatorError } from '../../../src/core/errors.js';
import { runDemoUpstream } from '../../../src/demo-upstream/command.js';
import { serveForTests } from './served.js';

const COMMAND = fileURLToPath(new URL('../../../src/demo-upstream/command.js', import.meta.url));
const STREAM_BODY = '{"model":"m","stream":true}';

/** The command as main.ts runs it: its result is the exit code, and the process ends by itself. */
async function startCommand() {
  const child = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    `import { runDemoUpstream } from ${JSON.stringify(COMMAND)};
     process.exitCode = await runDemoUpstream(["--listen", "127.0.0.1:0"]);`,
  ]);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const url = /http:\/\/[^:]+:\d+/.exec(line.toString())?.[0];
  assert.ok(url, line.toString());
  return { child, url };
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} lets a stream end, refuses new connections, exits with 0`, async () => {
    const { child, url } = await startCommand();
    const exited = once(child, 'exit');
    const answer = await fetch(`${url}/v1/chat/completions?tokens=30&pace_ms=20`, {
      method: 'POST',
      body: STREAM_BODY,
    });
    child.kill(signal);
    assert.ok((await answer.text()).endsWith('data: [DONE]\n\n'));
    await assert.rejects(fetch(`${url}/v1/models`, { headers: { connection: 'close' } }));
    assert.deepEqual(await exited, [0, null]);
  });
}

test('a stream without end is cut 5 s after the signal', async () => {
  const { child, url } = await startCommand();
  const exited = once(child, 'exit');
  const answer = await fetch(`${url}/v1/chat/completions?stall_after=2`, {
    method: 'POST',
    body: STREAM_BODY,
  });
  child.kill('SIGTERM');
  await assert.rejects(answer.text());
  assert.deepEqual(await exited, [0, null]);
});

test('wrong arguments and a port in use are the operator’s errors', async () => {
  const { upstream } = serveForTests();
  for (const args of [
    ['--port', '1'],
    ['--listen'],
    ['--listen', '9090'],
    ['--listen', 'a:70000'],
    ['--listen', `127.0.0.1:${upstream.port}`],
  ]) {
    await assert.rejects(runDemoUpstream(args), OperatorError, args.join(' '));
  }
});

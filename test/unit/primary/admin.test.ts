import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { OperatorError } from '../../../src/core/errors.js';
import {
  type AdminServer,
  type AdminServerOptions,
  createAdminServer,
} from '../../../src/primary/admin.js';

async function withServer(
  options: Partial<AdminServerOptions>,
  run: (base: string, server: AdminServer) => Promise<void>,
): Promise<void> {
  const server = createAdminServer({
    address: { host: '127.0.0.1', port: 0 },
    isReady: () => ({ ready: true, reason: '' }),
    renderMetrics: async () => 'weir_x 1\n',
    api: [],
    ...options,
  });
  assert.equal(server.address(), null);
  const { port } = await server.listen();
  try {
    await run(`http://127.0.0.1:${port}`, server);
  } finally {
    await server.close();
  }
  assert.equal(server.address(), null);
}

test('health, metrics and paths that are not there', () =>
  withServer({}, async (base) => {
    const health = await fetch(`${base}/healthz?probe=1`);
    assert.equal(health.status, 200);
    assert.deepEqual(await health.json(), { status: 'ok' });
    const metrics = await fetch(`${base}/metrics`);
    assert.equal(metrics.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    assert.equal(await metrics.text(), 'weir_x 1\n');
    const missing = await fetch(`${base}/v1/chat/completions`);
    assert.equal(missing.status, 404);
    assert.equal(((await missing.json()) as { error: string }).error, 'not_found');
    const head = await fetch(`${base}/metrics`, { method: 'HEAD' });
    assert.equal(head.headers.get('content-length'), '9');
    assert.equal(await head.text(), '');
  }));

test('readiness says why not', async () => {
  let readiness = { ready: false, reason: '1 of 2 workers listen' };
  await withServer({ isReady: () => readiness }, async (base) => {
    const before = await fetch(`${base}/readyz`);
    assert.equal(before.status, 503);
    assert.deepEqual(await before.json(), { status: 'not_ready', reason: '1 of 2 workers listen' });
    readiness = { ready: true, reason: '' };
    assert.equal((await fetch(`${base}/readyz`)).status, 200);
  });
});

test('other methods are refused, and say which are not', () =>
  withServer({}, async (base) => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await fetch(`${base}/metrics`, { method });
      assert.equal(answer.status, 405);
      assert.equal(answer.headers.get('allow'), 'GET, HEAD');
      await answer.text();
    }
  }));

test('a scrape that fails is a 500 without detail; the next one is tried anew', async () => {
  let calls = 0;
  const renderMetrics = async (): Promise<string> => {
    calls += 1;
    if (calls === 1) throw new Error('secret detail');
    return 'ok 1\n';
  };
  await withServer({ renderMetrics }, async (base) => {
    const failed = await fetch(`${base}/metrics`);
    assert.equal(failed.status, 500);
    assert.doesNotMatch(await failed.text(), /secret/);
    assert.equal(await (await fetch(`${base}/metrics`)).text(), 'ok 1\n');
  });
});

test('scrapes that come together share one rendering', async () => {
  let calls = 0;
  const renderMetrics = (): Promise<string> => {
    calls += 1;
    return new Promise((resolve) => setTimeout(() => resolve('x 1\n'), 100));
  };
  await withServer({ renderMetrics }, async (base) => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => fetch(`${base}/metrics`)));
    for (const answer of answers) assert.equal(await answer.text(), 'x 1\n');
    assert.equal(calls, 1);
  });
});

test('requests beyond the bound are refused, whether they say so or not', () =>
  withServer({}, async (base, server) => {
    const large = await fetch(`${base}/healthz`, { method: 'POST', body: 'x'.repeat(70_000) });
    assert.equal(large.status, 413);
    await large.text();
    const socket = connect(server.address()?.port ?? 0, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('POST /healthz HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n');
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
    for (let index = 0; index < 8; index += 1) socket.write(chunk);
    socket.resume();
    await once(socket, 'close');
    const head = connect(server.address()?.port ?? 0, '127.0.0.1');
    head.on('error', () => {});
    head.write(`GET /healthz HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(70_000)}\r\n\r\n`);
    const [answer] = (await once(head, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 431 /);
    assert.equal((await fetch(`${base}/healthz`)).status, 200);
  }));

test('what an operator asks of /api is read, and answered as JSON', () =>
  withServer(
    {
      api: [
        {
          path: '/api/ask',
          method: 'GET',
          answer: ({ query }) => ({ status: 200, value: query.get('a') }),
        },
        { path: '/api/do', method: 'POST', answer: ({ body }) => ({ status: 202, value: body }) },
      ],
    },
    async (base) => {
      assert.equal(await (await fetch(`${base}/api/ask?a=b`)).json(), 'b');
      const post = (type: string, body: string) =>
        fetch(`${base}/api/do`, { method: 'POST', headers: { 'content-type': type }, body });
      const done = await post('application/json', '{"x":1}');
      assert.equal(done.status, 202);
      assert.deepEqual(await done.json(), { x: 1 });
      assert.equal((await post('application/json', '{')).status, 400);
      assert.equal((await post('text/plain', '{}')).status, 415, 'as a form on any page could');
      const wrong = await fetch(`${base}/api/do`);
      assert.equal(wrong.status, 405);
      assert.equal(wrong.headers.get('allow'), 'POST');
    },
  ));

test('a port in use is one clear line for the operator', async () => {
  const blocker = createServer().listen(0, '127.0.0.1');
  await once(blocker, 'listening');
  const { port } = blocker.address() as { port: number };
  const listen = (host: string, at: number): Promise<unknown> =>
    createAdminServer({
      address: { host, port: at },
      isReady: () => ({ ready: true, reason: '' }),
      renderMetrics: async () => '',
      api: [],
    }).listen();
  await assert.rejects(
    listen('127.0.0.1', port),
    (error) =>
      error instanceof OperatorError &&
      error.message === `admin 127.0.0.1:${port}: the port is in use`,
  );
  await assert.rejects(
    listen('203.0.113.1', 8081),
    (error) =>
      error instanceof OperatorError &&
      error.message === 'admin 203.0.113.1:8081: this machine has no such address',
  );
  blocker.close();
});

test('close() does not wait for a client that never ends its request', async () => {
  const sockets: ReturnType<typeof connect>[] = [];
  const startedMs = performance.now();
  await withServer({}, async (_base, server) => {
    const socket = connect(server.address()?.port ?? 0, '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n');
    await new Promise((resolve) => setTimeout(resolve, 50));
  });
  assert.ok(performance.now() - startedMs < 2_000);
  for (const socket of sockets) socket.destroy();
});

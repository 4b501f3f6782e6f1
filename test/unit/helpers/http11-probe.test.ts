/** The probe finds what it is there for: tried on proxies that are wrong on purpose. */
import assert from 'node:assert/strict';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { EchoUpstream } from '../../helpers/echo-upstream.js';
import { type ProbeResult, probeAll } from '../../helpers/http11-probe.js';
import { HTTP11_VECTORS } from '../../helpers/http11-vectors.js';

/** Tries some vectors on a proxy that is made of one function. */
async function probe(
  ids: readonly string[],
  serve: (client: Socket, echoPort: number) => void,
  silenceMs = 3000,
): Promise<ProbeResult[]> {
  const echo = await EchoUpstream.start();
  const sockets = new Set<Socket>();
  const proxy: Server = createServer((client) => {
    sockets.add(client);
    client.on('error', () => {});
    serve(client, echo.port);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const address = proxy.address();
  assert.ok(address !== null && typeof address === 'object');
  try {
    const vectors = ids.map((id) => HTTP11_VECTORS.find((vector) => vector.id === id));
    return await probeAll(
      address.port,
      echo,
      vectors.map((vector) => vector ?? assert.fail()),
      { silenceMs },
    );
  } finally {
    for (const socket of sockets) socket.destroy();
    proxy.close();
    await echo.stop();
  }
}

/** Passes bytes on as they are. */
function pipe(client: Socket, port: number, edit = (text: string): string => text): void {
  const upstream = connect({ port, host: '127.0.0.1' });
  upstream.on('error', () => {});
  client.on('data', (bytes) => upstream.write(edit(bytes.toString('latin1')), 'latin1'));
  client.on('close', () => upstream.destroy());
  upstream.on('data', (bytes) => client.write(bytes));
  upstream.on('end', () => client.end());
}

/** Keeps the first content-length and drops all that would contradict it: how requests are smuggled. */
function dropLaterLengths(text: string): string {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  let lengths = 0;
  const lines = head.split('\r\n').filter((line) => {
    if (/^transfer-encoding:/i.test(line)) return false;
    if (/^content-length:/i.test(line)) lengths++;
    return !/^content-length:/i.test(line) || lengths === 1;
  });
  return [lines.join('\r\n'), ...rest].join('\r\n\r\n');
}

describe('the probe', () => {
  it('sees a hidden request that reaches the upstream', async () => {
    const [result] = await probe(['SMUG-DUPLICATE-CL-SMUGGLED-GET'], (client, port) =>
      pipe(client, port, dropLaterLengths),
    );
    assert.equal(result?.fault, 'smuggled');
    assert.equal(result.verdict, 'fail');
    assert.match(result.seen.hidden.join(), /GET \/v1\/smuggled/);
  });

  it('sees a marker that a body has swallowed the beginning of', async () => {
    const withoutLength = (text: string) => text.replace(/Content-Length: \d+\r\n/, '');
    const [result] = await probe(['SMUG-GET-CL-PREFIX-DESYNC'], (client, port) =>
      pipe(client, port, withoutLength),
    );
    assert.equal(result?.fault, 'smuggled');
  });

  it('sees silence, a close and a refusal for what they are', async () => {
    const ids = ['COMP-BASELINE', 'SMUG-CL-NEGATIVE'];
    const silent = await probe(ids, () => {}, 200);
    assert.deepEqual(
      silent.map(({ fault, verdict }) => [fault, verdict]),
      [
        ['hung', 'fail'],
        ['hung', 'fail'],
      ],
    );
    const closing = await probe(ids, (client) => client.end());
    assert.deepEqual(
      closing.map(({ verdict }) => verdict),
      ['fail', 'pass'],
    );
    const refuse = 'HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n';
    const refusing = await probe(ids, (client) => client.on('data', () => client.end(refuse)));
    assert.deepEqual(
      refusing.map(({ verdict }) => verdict),
      ['fail', 'pass'],
    );
  });

  it('lets a right proxy pass', async () => {
    const results = await probe(
      ['COMP-BASELINE', 'COMP-CHUNKED-MULTI', 'COMP-HEAD-NO-BODY', 'SMUG-CL-NEGATIVE'],
      pipe,
    );
    assert.deepEqual(
      results.slice(0, 3).map(({ verdict, fault }) => [verdict, fault]),
      [
        ['pass', null],
        ['pass', null],
        ['pass', null],
      ],
    );
    // Node refuses it, and so has nothing to do with it; but that it got so far is the proxy's fault.
    assert.equal(results[3]?.verdict, 'fail');
  });
});

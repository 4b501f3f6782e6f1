/**
 * Whose address counts: limits by address and the access log see the client behind a trusted proxy, never what a
 * stranger writes, and a provider is told nothing of it unless it is to be.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { renderJson } from '../helpers/http-text.js';
import { MockUpstream, send } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';

const PROXY = '127.0.0.7';
const STRANGER = '127.0.0.8';
const ADMITTED = 3;
const TELLING = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'true-client-ip'];
/** What the system calls the side of PROXY protocol v2 (haproxy.org, proxy-protocol.txt, section 2.2). */
const PROXY_V2 = Buffer.from('0d0a0d0a000d0a515549540a2111000c06060606010101011234ffff', 'hex');

interface Asked {
  readonly status: number;
  readonly id: string;
}

describe('client address', { timeout: 60_000 }, () => {
  let upstream: MockUpstream;
  let gateway: Gateway;

  before(async () => {
    upstream = await MockUpstream.start({ script: () => [send(renderJson({ ok: true }))] });
    const provider = { dialect: 'openai', base_url: upstream.baseUrl };
    gateway = await startGateway({
      workers: 2,
      config: {
        trusted_proxies: [`${PROXY}/32`, '10.0.0.0/8'],
        log: { client: 'on' },
        callers: { by: 'address', limits: [{ requests: ADMITTED, per: '1d' }] },
        providers: { discreet: provider, telling: { ...provider, tell_client: 'on' } },
        models: { discreet: { provider: 'discreet' }, telling: { provider: 'telling' } },
      },
    });
  });

  after(async () => {
    await gateway?.kill();
    await upstream?.stop();
  });

  async function ask(
    from: string,
    lines: readonly string[],
    { model = 'discreet', first = Buffer.alloc(0) } = {},
  ): Promise<Asked> {
    const client = await RawClient.connect({ port: gateway.port, localAddress: from });
    const body = JSON.stringify({ model });
    const head = [
      'POST /v1/chat/completions HTTP/1.1',
      'host: weir.test',
      'content-type: application/json',
      `content-length: ${body.length}`,
      ...lines,
    ];
    client.send(Buffer.concat([first, Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`)]));
    const answer = await client.readResponse();
    client.destroy();
    return { status: answer.status, id: answer.header('x-weir-id') ?? '' };
  }

  async function readClient({ id }: Asked): Promise<unknown> {
    return (await gateway.waitForLog((line) => line['id'] === id))['client'];
  }

  async function countAdmitted(requests: number, next: (at: number) => Promise<Asked>) {
    let admitted = 0;
    for (let at = 0; at < requests; at += 1) {
      const { status } = await next(at);
      assert.ok(status === 200 || status === 429, `status ${status}`);
      admitted += status === 200 ? 1 : 0;
    }
    return admitted;
  }

  it('P-22 stranger-gets-fresh-limits-by-writing-addresses', async () => {
    const admitted = await countAdmitted(ADMITTED + 4, (at) =>
      ask(STRANGER, [`x-forwarded-for: 198.51.100.${at}`, `forwarded: for=198.51.100.${at}`]),
    );
    assert.equal(admitted, ADMITTED);
    assert.equal(await readClient(await ask(STRANGER, ['x-forwarded-for: 6.6.6.6'])), STRANGER);
  });

  it('P-22 clients-behind-a-proxy-share-limits-or-escape-them', async () => {
    for (const client of ['192.0.2.1', '192.0.2.2', '2001:db8::1']) {
      const admitted = await countAdmitted(ADMITTED + 2, (at) =>
        ask(PROXY, [`X-Forwarded-For: 6.6.6.${at}, ${client}`, 'X-Forwarded-For: 10.1.2.3']),
      );
      assert.equal(admitted, ADMITTED, client);
    }
    const told = await ask(PROXY, ['x-forwarded-for: 6.6.6.6, ::ffff:192.0.2.9, 10.1.2.3:443']);
    assert.equal(await readClient(told), '192.0.2.9');
    assert.equal(await readClient(await ask(PROXY, ['x-forwarded-for: 1.2.3.4, junk'])), PROXY);
  });

  it('header-of-the-proxy-protocol-is-believed', async () => {
    for (const from of [STRANGER, PROXY]) {
      const address = await readClient(await ask(from, [], { first: PROXY_V2 }));
      assert.equal(address, from);
    }
  });

  it('P-04 provider-is-told-where-clients-are', async () => {
    const lines = TELLING.map((name) => `${name}: 192.0.2.77`);
    const forwarded = async (model: string): Promise<readonly string[]> => {
      const seen = upstream.requests.length;
      assert.equal((await ask(PROXY, lines, { model })).status, 200);
      const request = upstream.requests[seen];
      assert.ok(request !== undefined);
      return TELLING.flatMap((name) => request.all(name).map((value) => `${name}: ${value}`));
    };
    assert.deepEqual(await forwarded('discreet'), []);
    assert.deepEqual(await forwarded('telling'), ['x-forwarded-for: 192.0.2.77']);
  });
});

/**
 * P-16: nothing is held for the sake of batching. The provider says the next thing only when the caller has the one
 * before, so that a gateway that waits for more waits for ever; no clock is needed.
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { describeEngines, engineConfig, stopAll } from '../helpers/engine-matrix.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { renderChunk, renderRequest } from '../helpers/http-text.js';
import { type MockConnection, MockUpstream, send } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';

const EVENTS = 40;
const HEAD = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: ';

describeEngines('what a provider says', 60_000, (engine) => {
  let upstream: MockUpstream;
  let gateway: Gateway;

  before(async () => {
    upstream = await MockUpstream.start({
      script: ({ target }) => [
        send(
          `${HEAD}${target.includes('json') ? 'application/json' : 'text/event-stream'}\r\n\r\n`,
        ),
      ],
    });
    gateway = await startGateway({
      config: engineConfig(
        engine,
        { mock: { base_url: upstream.baseUrl } },
        { consumers: { team: { keys: ['wk-team'], limits: [{ tokens: 1_000_000, per: '1m' }] } } },
      ),
    });
  });

  after(() => stopAll(gateway, upstream));

  async function begin(target: string): Promise<[RawClient, MockConnection]> {
    const number = upstream.requests.length;
    const client = await RawClient.connect({ port: gateway.port });
    client.send(
      renderRequest({
        target,
        headers: [['authorization', 'Bearer wk-team']],
        body: JSON.stringify({ model: 'mock', stream: true, messages: [] }),
      }),
    );
    const { connection } = await upstream.waitForRequest(number, 5000, 'whole');
    await upstream.waitFor(
      () => (connection.sent.length >= connection.requests.length ? true : undefined),
      5000,
      'the head of the answer',
    );
    return [client, connection];
  }

  /** Sends piece after piece, each when the one before has arrived. */
  async function converse(target: string, pieces: readonly string[]): Promise<void> {
    const [client, connection] = await begin(target);
    for (const piece of pieces) {
      const from = client.received.length;
      connection.socket.write(renderChunk(piece));
      await client.waitFor(
        (it) => (it.received.includes(piece, Math.max(0, from - piece.length)) ? true : undefined),
        5000,
        `${JSON.stringify(piece)}, which the provider has said`,
      );
    }
    connection.socket.write('0\r\n\r\n');
    assert.ok((await client.readResponse()).complete);
    client.destroy();
  }

  it('P-16 event-waits-for-the-next-one', () =>
    converse(
      '/v1/chat/completions',
      Array.from(
        { length: EVENTS },
        (_, at) => `data: {"choices":[{"delta":{"content":"t${at}"}}]}\n\n`,
      ),
    ));

  it('P-16 piece-of-json-waits-for-the-rest', () =>
    converse(
      '/v1/files/json',
      Array.from({ length: EVENTS }, (_, at) => `{"part":${at},`),
    ));
});

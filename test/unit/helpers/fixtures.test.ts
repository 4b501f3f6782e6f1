import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadDesyncVectors, renderDesyncVector } from '../../helpers/desync-vectors.js';
import { frameAsSse, loadJsonAnswers, loadStreams, splitStream } from '../../helpers/fixtures.js';
import { hasFixtures, skipUnless } from '../../helpers/need.js';
import { createRandom } from '../../helpers/seeded-random.js';

describe('fixtures', { skip: skipUnless(hasFixtures, 'the fixtures') }, () => {
  it('hold streams of every provider, whole after splitting', () => {
    const streams = loadStreams();
    const random = createRandom();
    assert.ok(streams.length > 90, `${streams.length} streams`);
    assert.equal(new Set(streams.map(({ provider }) => provider)).size, 7);
    assert.ok(loadJsonAnswers().length > 90);
    for (const stream of streams) {
      assert.ok(stream.events.length > 0, stream.name);
      const pieces = splitStream(stream, random, { meanBytes: 300 });
      assert.deepEqual(Buffer.concat(pieces), stream.sse, stream.name);
    }
  });

  it('are framed as the provider does', () => {
    assert.equal(frameAsSse(['{}'], 'openai-chat').toString(), 'data: {}\n\ndata: [DONE]\n\n');
    assert.equal(
      frameAsSse(['{"type":"ping"}'], 'anthropic').toString(),
      'event: ping\ndata: {"type":"ping"}\n\n',
    );
    assert.equal(frameAsSse(['{}'], 'gemini').toString(), 'data: {}\r\n\r\n');
  });

  it('hold all desync vectors as bytes', () => {
    const vectors = loadDesyncVectors();
    assert.equal(vectors.length, 158);
    const find = (name: string) => {
      const vector = vectors.find((one) => one.name === name);
      assert.ok(vector !== undefined, name);
      return renderDesyncVector(vector, { pathPrefix: '/v1' }).bytes;
    };
    assert.equal(
      find('Bad character in Content-Length value: 1000\\x11')
        .toString('latin1')
        .split('\r\n\r\n')[0],
      'POST /v1/foo/bar HTTP/1.1\r\nContent-Length: 1000\x11',
    );
    assert.ok(
      find('Transfer-Encoding: chunked\\xa0').includes(Buffer.from('chunked\xa0\r\n', 'latin1')),
    );
    assert.ok(find('Transfer-Encoding Latin Small Letter Long S').includes('Tranſfer'));
    assert.ok(find('Request Smuggling in URI').includes('GET\t/v1/endpoint_b'));
    assert.equal(
      find('Valid Transfer-Encoding (chunked)')
        .toString('latin1')
        .split('\r\n\r\n')[1]
        ?.slice(0, 4),
      '40\r\n',
    );
  });
});

/** P-15: recorded streams and answers arrive bit for bit, however their bytes are cut and framed. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { forEachAtOnce } from '../helpers/at-once.js';
import { ENGINES, type EngineName, engineConfig } from '../helpers/engines.js';
import { loadJsonAnswers, loadStreams } from '../helpers/fixtures.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { renderRequest } from '../helpers/http-text.js';
import { fin, MockUpstream, type Script, sendSplit } from '../helpers/mock-upstream.js';
import { hasFixtures, skipUnless } from '../helpers/need.js';
import { RawClient } from '../helpers/raw-client.js';
import { renderReplay, WIRE_FRAMINGS, type WireFraming } from '../helpers/replay.js';
import { createRandom } from '../helpers/seeded-random.js';
import type { HeaderPair } from '../helpers/strict-http.js';

const AT_A_TIME = 16;
const STREAMS_MIN = 100;

interface Recorded {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Every recording in every framing at once; the provider cuts, the client reads. */
async function replayAll(
  gateway: Gateway,
  scripts: Map<string, Script>,
  recordings: readonly Recorded[],
  contentType: string,
): Promise<void> {
  const random = createRandom();
  const headers: HeaderPair[] = [['Content-Type', contentType]];
  const cases = WIRE_FRAMINGS.flatMap((framing) =>
    recordings.map((recording, number) => {
      const target = `/v1/replay/${framing}/${number}`;
      const { wire, points } = renderReplay(recording.bytes, framing, headers, random);
      const send = sendSplit(wire, points);
      scripts.set(target, framing === 'close' ? [send, fin()] : [send]);
      return { target, framing, ...recording };
    }),
  );
  await forEachAtOnce(cases, AT_A_TIME, async (testCase) => {
    const where = `${testCase.name}, ${testCase.framing}, seed ${random.seed}`;
    const client = await RawClient.connect({ port: gateway.port });
    try {
      client.send(renderRequest({ target: testCase.target, body: '{"model":"m","stream":true}' }));
      const response = await client.readResponse();
      assert.equal(response.status, 200, where);
      assert.equal(response.framing, framingDownstream(testCase.framing), where);
      assert.ok(response.complete, where);
      assert.equal(response.bodyBytes, testCase.bytes.length, where);
      assert.equal(response.sha256, sha256(testCase.bytes), where);
      assert.deepEqual(response.all('content-type'), [contentType], where);
    } finally {
      client.destroy();
    }
  });
}

/** What ends by closing towards Weir has no length, so it goes on in chunks. */
function framingDownstream(framing: WireFraming): 'chunked' | 'length' {
  return framing === 'length' ? 'length' : 'chunked';
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function describeEngine(engine: EngineName): void {
  describe(`P-15 recorded answers, ${engine}`, () => {
    const scripts = new Map<string, Script>();
    let upstream: MockUpstream;
    let gateway: Gateway;

    before(async () => {
      upstream = await MockUpstream.start({
        script: ({ target }) => scripts.get(target) ?? [fin()],
      });
      gateway = await startGateway({ config: engineConfig(upstream.baseUrl, engine) });
    });

    after(async () => {
      await gateway?.stop();
      assert.deepEqual(upstream?.violations, []);
      await upstream?.stop();
    });

    const needs = { skip: skipUnless(hasFixtures, 'the fixtures') };

    it('a-recorded-stream-is-altered', needs, async () => {
      const streams = loadStreams().map(({ provider, name, sse }) => ({
        name: `${provider}/${name}`,
        bytes: sse,
      }));
      assert.ok(streams.length >= STREAMS_MIN, `only ${streams.length} streams`);
      await replayAll(gateway, scripts, streams, 'text/event-stream; charset=utf-8');
    });

    it('a-recorded-json-answer-is-altered', needs, async () => {
      const answers = loadJsonAnswers();
      assert.ok(answers.length >= STREAMS_MIN, `only ${answers.length} answers`);
      await replayAll(gateway, scripts, answers, 'application/json');
    });
  });
}

for (const engine of ENGINES) describeEngine(engine);

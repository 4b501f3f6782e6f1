/** P-15 and the renaming of models: a request reaches the provider byte for byte, but for the name asked for. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { choosePoints } from '../helpers/byte-splits.js';
import { ENGINES, type EngineName, engineConfig } from '../helpers/engines.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { LAST_CHUNK, type RequestText, renderChunk, renderRequest } from '../helpers/http-text.js';
import { type MockRequest, MockUpstream } from '../helpers/mock-upstream.js';
import { RawClient } from '../helpers/raw-client.js';
import { createRandom } from '../helpers/seeded-random.js';

const random = createRandom();

/** Bodies that parsing and writing anew would change. `NAME` is where the model's name stands. */
const JSON_BODIES: Readonly<Record<string, string>> = {
  plain: '{"model":"NAME","messages":[]}',
  'odd spacing': ' \r\n{\t"model"  :\n "NAME"  ,"a" : [ 1 , 2 ] , "b":{ } }\n\n',
  'numbers beyond 2^53':
    '{"seed":9007199254740993,"big":18446744073709551615,"model":"NAME","x":1e400}',
  'number spellings':
    '{"a":1.0,"b":1E+2,"c":-0,"d":0.1e-7,"model":"NAME","e":100000000000000000000}',
  escapes: '{"s":"\\u00e9\\/\\n\\ud83d\\ude00 \\"model\\":\\"x\\"","model":"NAME","t":"\\\\"}',
  unicode: '{"é✓😀":"𝄞 \u2028 \u2029 ٣","model":"NAME","n":"日本語"}',
  'keys given twice': '{"a":1,"a":2,"model":"NAME","a":3}',
  'a model further in': '{"tools":[{"model":"gpt-x"}],"metadata":{"model":"gpt-x"},"model":"NAME"}',
  'model last after a long prompt': `{"p":"${'word \\" model ✓ '.repeat(20_000)}","model":"NAME"}`,
  'model first before a long prompt': `{"model":"NAME","p":"${'word ✓ '.repeat(40_000)}"}`,
};

const BOUNDARY = '----weir.7MA4YWxkTrZu0gW';
const file = random.bytes(300_000);

function part(head: string, value: string | Buffer): Buffer {
  const text = `--${BOUNDARY}\r\nContent-Disposition: form-data; ${head}\r\n\r\n`;
  return Buffer.concat([Buffer.from(text), Buffer.from(value), Buffer.from('\r\n')]);
}

const FILE_PART = part('name="file"; filename="é.mp3"\r\nContent-Type: audio/mpeg', file);
const MODEL_PART = part('name="model"', 'NAME');
const DECOY_PART = part('name="prompt"', 'name="model"\r\n\r\ngpt-x');
const FORM_END = Buffer.from(`--${BOUNDARY}--\r\n`);

const FORMS: Readonly<Record<string, Buffer>> = {
  'model before the file': Buffer.concat([MODEL_PART, DECOY_PART, FILE_PART, FORM_END]),
  'model after the file': Buffer.concat([FILE_PART, DECOY_PART, MODEL_PART, FORM_END]),
};

const JSON_TYPE = 'application/json';
const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`;

interface Sample {
  readonly name: string;
  readonly type: string;
  readonly target: string;
  readonly body: Buffer;
}

const SAMPLES: readonly Sample[] = [
  ...Object.entries(JSON_BODIES).map(([name, body]) => ({
    name,
    type: JSON_TYPE,
    target: '/v1/chat/completions',
    body: Buffer.from(body),
  })),
  ...Object.entries(FORMS).map(([name, body]) => ({
    name,
    type: FORM_TYPE,
    target: '/v1/audio/transcriptions',
    body,
  })),
];

/** Asked for → what the provider knows: shorter, longer, in need of escapes, and the same. */
const RENAMED: readonly (readonly [string, string])[] = [
  ['gpt-4o-longer-name', 'm'],
  ['s', 'a-much-longer/name:2026-11-22@eu'],
  ['quoted', 'a"b\\c é'],
  ['kept', 'kept'],
];

function withName(body: Buffer, name: string | Buffer): Buffer {
  const at = body.indexOf('NAME');
  return Buffer.concat([body.subarray(0, at), Buffer.from(name), body.subarray(at + 4)]);
}

/** Some 60 cuts. The file for Node 20 can't take one in the request line: test/wire/limits.test.ts. */
function cut(wire: Buffer): number[] {
  const lineEnd = wire.indexOf('\r\n');
  const meanBytes = Math.max(30, wire.length >> 5);
  const hostileShare = Math.min(0.1, 100 / wire.length);
  return choosePoints(wire, random, { meanBytes, hostileShare }).filter((at) => at > lineEnd + 1);
}

function describeEngine(engine: EngineName): void {
  describe(`P-15 requests, ${engine}`, () => {
    let upstream: MockUpstream;
    let gateway: Gateway;

    before(async () => {
      upstream = await MockUpstream.start();
      const models = Object.fromEntries(
        RENAMED.map(([asked, model]) => [asked, { provider: 'mock', model }]),
      );
      gateway = await startGateway({
        config: engineConfig(
          upstream.baseUrl,
          engine,
          {},
          {
            models: { ...models, '*': { provider: 'mock' } },
          },
        ),
      });
    });

    after(async () => {
      await gateway?.stop();
      assert.deepEqual(upstream?.violations, []);
      await upstream?.stop();
    });

    /** What the provider got of a request; it is cut into packets at random. */
    async function pass(wire: Buffer, isCut = true): Promise<MockRequest> {
      const before = upstream.requests.length;
      const client = await RawClient.connect({ port: gateway.port });
      try {
        await client.sendSplit(wire, isCut ? cut(wire) : []);
        const response = await client.readResponse();
        assert.equal(response.status, 200, response.text);
      } finally {
        client.destroy();
      }
      assert.equal(upstream.requests.length, before + 1);
      return upstream.requests[before] as MockRequest;
    }

    function chunkedRequest(sample: Sample, body: Buffer): Buffer {
      const head = renderRequest({
        method: 'POST',
        target: sample.target,
        headers: [
          ['content-type', sample.type],
          ['transfer-encoding', 'chunked'],
        ],
        framing: 'as-written',
      });
      const points = [0, ...choosePoints(body, random, { meanBytes: 9000 }), body.length];
      const chunks = points.slice(1).map((end, at) => renderChunk(body.subarray(points[at], end)));
      return Buffer.concat([head, ...chunks, LAST_CHUNK]);
    }

    function checkBody(received: MockRequest, expected: Buffer, what: string): void {
      assert.ok(received.complete, what);
      assert.ok(received.body.equals(expected), `${what}: the body is altered`);
      assert.deepEqual(received.all('content-length'), [`${expected.length}`], what);
      assert.deepEqual(received.all('transfer-encoding'), [], what);
    }

    for (const sample of SAMPLES) {
      it(`${sample.name} is altered`, async () => {
        for (const [asked, known] of [...RENAMED, ['unlisted', 'unlisted'] as const]) {
          const sent = withName(sample.body, asked);
          const name = sample.type === JSON_TYPE ? JSON.stringify(known).slice(1, -1) : known;
          const expected = withName(sample.body, name);
          const what = `${sample.name}, ${asked}, seed ${random.seed}`;
          const headers = [['content-type', sample.type]] as const;
          const wire = renderRequest({ target: sample.target, headers, body: sent });
          checkBody(await pass(wire, false), expected, `${what}, in one piece`);
          checkBody(await pass(wire), expected, `${what}, in pieces`);
          checkBody(await pass(chunkedRequest(sample, sent)), expected, `${what}, in chunks`);
        }
      });
    }

    it('bodies that name no model are altered', async () => {
      const binary = random.bytes(2_500_000);
      for (const body of [binary, binary.subarray(0, 700), Buffer.from([0, 255, 10, 13])]) {
        for (const method of ['PUT', 'POST', 'PATCH', 'DELETE']) {
          const headers = [['content-type', 'application/octet-stream']] as const;
          const wire = renderRequest({ method, target: '/v1/uploads/1/parts', headers, body });
          const received = await pass(wire);
          assert.equal(received.method, method);
          checkBody(received, body, `${method} of ${body.length} bytes`);
        }
      }
    });

    it('methods, paths and queries are altered', async () => {
      const targets = [
        '/v1/',
        '/v1/files/file-abc123/content?download=1&a=%2F%00&b=é'.replace('é', '%C3%A9'),
        '/v1/threads/t_1/runs?limit=20&order=desc&after=x==&empty&a[]=1&a[]=2',
        "/v1/deep//er/..x/p%20a%2fth;v=1/~u@h:80/(*)'!$,/file.tar.gz",
        `/v1/long/${'p'.repeat(3000)}?q=${'v'.repeat(3000)}`,
        '/v1/models/org%2Fname?x=?/?',
      ];
      for (const method of ['GET', 'DELETE', 'OPTIONS', 'POST', 'PUT', 'PATCH']) {
        for (const target of targets) {
          const received = await pass(renderRequest({ method, target }), false);
          assert.equal(received.startLine, `${method} ${target} HTTP/1.1`);
          assert.equal(received.bodyBytes, 0);
        }
      }
    });

    // Names of letters, digits and hyphens: at any other the file for Node 20 waits for more and cuts after 10 s. And
    // values that end in ASCII: from the end of a value it trims bytes beyond it as if they were spaces.
    it('headers of the request are altered', async () => {
      const request: RequestText = {
        target: '/v1/chat/completions?beta=true',
        headers: [
          ['Content-Type', 'application/json; charset=utf-8'],
          ['X-Stainless-OS', 'Linux'],
          ['x-utf8', Buffer.from('café ✓ end').toString('latin1')],
          ['Accept', 'text/event-stream, */*;q=0.1'],
          ['anthropic-beta', 'a-2025-01-01,b-2025-02-02'],
          ['cookie', 'a=1; b="2"'],
          ['x-twice', '1'],
          ['x-twice', '2'],
        ],
        body: '{"model":"m"}',
      };
      const received = await pass(renderRequest(request));
      for (const [name] of request.headers ?? []) {
        const sent = (request.headers ?? [])
          .filter(([other]) => other.toLowerCase() === name.toLowerCase())
          .map(([, value]) => value);
        assert.deepEqual(received.all(name), sent, name);
      }
    });
  });
}

for (const engine of ENGINES) describeEngine(engine);

/** The same request through either engine leaves as the same request: node:http is the judge of what arrives. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteBudget } from '../../src/inspect/budget.js';
import { KeptBodies } from '../../src/inspect/kept-bodies.js';
import type { UpstreamRequest } from '../../src/upstream/engine.js';
import { type EchoedRequest, EchoUpstream } from '../helpers/echo-upstream.js';
import { ENGINES, ProviderHarness } from '../helpers/engine-harness.js';

const token = fc.stringMatching(/^x-[a-z0-9!#$%&'*+.^`|~-]{1,20}$/);
const value = fc.stringMatching(
  /^(?:[!-~\u0080-\u00ff](?:[ -~\u0080-\u00ff]{0,30}[!-~\u0080-\u00ff])?)?$/,
);
const UNBOUNDED = new ByteBudget(Number.POSITIVE_INFINITY, () => {});
const body = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));

const scripted = fc.record({
  method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'),
  target: fc.stringMatching(/^\/v1\/[A-Za-z0-9._~%-]{0,40}(?:\?[a-z0-9=&%]{1,30})?$/),
  fields: fc.array(fc.tuple(token, value), { maxLength: 6 }),
  pieces: fc.array(body, { maxLength: 4 }),
  uploaded: fc.array(body, { maxLength: 4 }),
  framing: fc.constantFrom('whole', 'upload', 'chunked'),
});

interface Scripted {
  readonly method: string;
  readonly target: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly pieces: readonly Buffer[];
  readonly uploaded: readonly Buffer[];
  readonly framing: string;
}

function createRequest({
  method,
  target,
  fields,
  pieces,
  uploaded,
  framing,
}: Scripted): UpstreamRequest {
  const takesBody = method === 'POST' || method === 'PUT' || method === 'PATCH';
  const headerLines = fields.map(([name, text]) => `\r\n${name}: ${text}`).join('');
  if (!takesBody)
    return {
      method,
      target,
      headerLines,
      pieces: [],
      isLent: false,
      place: null,
      upload: null,
      isRepeatable: true,
      bodyBytes: 0,
    };
  const begun = Buffer.concat(pieces).length;
  if (framing === 'whole') {
    // What is one piece may stand where it is sent from.
    const place = pieces.length === 1 ? new KeptBodies(UNBOUNDED).reserve(begun) : null;
    return {
      method,
      target,
      headerLines,
      pieces: place === null ? pieces : [place.fill(pieces[0] as Buffer)],
      isLent: place === null,
      place,
      upload: null,
      isRepeatable: true,
      bodyBytes: begun,
    };
  }
  const later = uploaded.filter(({ length }) => length > 0);
  const upload = new Readable({ read: () => {} });
  for (const piece of later) upload.push(piece);
  upload.push(null);
  const bodyBytes = framing === 'chunked' ? -1 : begun + Buffer.concat(later).length;
  return {
    method,
    target,
    headerLines,
    pieces,
    isLent: true,
    place: null,
    upload,
    isRepeatable: true,
    bodyBytes,
  };
}

function expectedBody({ method, pieces, uploaded, framing }: Scripted): Buffer {
  if (method !== 'POST' && method !== 'PUT' && method !== 'PATCH') return Buffer.alloc(0);
  return Buffer.concat(framing === 'whole' ? pieces : [...pieces, ...uploaded]);
}

function describe({
  method,
  target,
  headers,
  bodyBytes,
  bodySha256,
  complete,
}: EchoedRequest): unknown {
  const passed = headers.filter(([name]) => !NOT_COMPARED.has(name.toLowerCase()));
  const sorted = passed.map(([name, text]) => `${name.toLowerCase()}: ${text}`).sort();
  return { method, target, sorted, bodyBytes, bodySha256, complete };
}

/** Each engine's own; and undici finds out the length of an upload that is all there already, where chunks were asked for. */
const NOT_COMPARED = new Set(['host', 'connection', 'content-length', 'transfer-encoding']);

function findFraming({ headers }: EchoedRequest): string {
  return headers
    .filter(([name]) => name === 'content-length' || name === 'transfer-encoding')
    .map(([name, text]) => `${name}: ${text}`)
    .join();
}

function expectedFraming(script: Scripted): string {
  const { bodyBytes, method } = createRequest(script);
  if (bodyBytes < 0) return 'transfer-encoding: chunked';
  return bodyBytes > 0 || /^P/.test(method) ? `content-length: ${bodyBytes}` : '';
}

test('both engines send the same request, which is the one that was asked for', async () => {
  const echo = await EchoUpstream.start();
  // One connection each, so that what one request leaves behind would be in the way of the next.
  const harnesses = ENGINES.map(
    (engine) => new ProviderHarness(engine, echo.port, { connectionsMax: 1 }),
  );
  await fc.assert(
    fc.asyncProperty(scripted, async (script) => {
      const seen: EchoedRequest[] = [];
      for (const harness of harnesses) {
        const before = echo.requests.length;
        const call = await harness.call(createRequest(script)).over();
        assert.equal(call.failure, null);
        assert.equal(echo.requests.length, before + 1);
        seen.push(echo.requests[before] as EchoedRequest);
      }
      const [lean, undici] = seen as [EchoedRequest, EchoedRequest];
      assert.deepEqual(describe(lean), describe(undici));
      assert.equal(findFraming(lean), expectedFraming(script));
      const body = expectedBody(script);
      assert.deepEqual(
        [lean.method, lean.target, lean.complete],
        [script.method, script.target, true],
      );
      assert.equal(lean.bodySha256, createHash('sha256').update(body).digest('hex'));
      const fields = lean.headers.filter(([name]) => name.startsWith('x-'));
      assert.deepEqual(fields, script.fields);
      assert.equal(lean.headers[0]?.[1], `127.0.0.1:${echo.port}`, 'the host');
    }),
    { numRuns: 250 },
  );
  assert.deepEqual(echo.parseErrors, []);
  for (const harness of harnesses) harness.provider.close();
  await echo.stop();
});

test('the pieces of a request may change as soon as it was handed over', async () => {
  const echo = await EchoUpstream.start();
  const size = 8 * 1024 * 1024;
  for (const engine of ENGINES) {
    const harness = new ProviderHarness(engine, echo.port);
    await harness.call().over();
    // Over an open connection, which takes the first bytes at once and the rest when the kernel has room; and another
    // request meanwhile, which must not be written over what the first one's socket still holds.
    const sizes = [size, 100, 40_000, size, 1];
    const sent = sizes.map((length, i) => {
      const piece = Buffer.alloc(length, 65 + i);
      const sha = createHash('sha256').update(piece).digest('hex');
      const call = harness.call({
        method: 'POST',
        target: `/v1/${i}`,
        pieces: [piece],
        bodyBytes: length,
      });
      piece.fill(0);
      return { call, sha, target: `/v1/${i}` };
    });
    for (const { call, sha, target } of sent) {
      await call.over();
      assert.equal(
        echo.requests.findLast((request) => request.target === target)?.bodySha256,
        sha,
        engine,
      );
    }
    harness.provider.close();
  }
  await echo.stop();
});

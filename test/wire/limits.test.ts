/** P-07: the limits of a request's head, one below, at and one above, split over packets. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BOUNDS } from '../../src/core/bounds.js';
import { choosePoints } from '../helpers/byte-splits.js';
import { EchoUpstream } from '../helpers/echo-upstream.js';
import { type Gateway, proxyConfig, startGateway } from '../helpers/gateway.js';
import { renderRequest } from '../helpers/http-text.js';
import { createRandom } from '../helpers/seeded-random.js';
import type { HeaderPair } from '../helpers/strict-http.js';
import { attemptRequest, type Outcome } from '../helpers/wire-outcome.js';

const random = createRandom();

describe(`limits of a head (seed ${random.seed})`, { concurrency: true }, () => {
  let echo: EchoUpstream;
  let gateway: Gateway;

  before(async () => {
    echo = await EchoUpstream.start();
    gateway = await startGateway({ config: proxyConfig(echo.baseUrl) });
  });

  after(async () => {
    await gateway?.stop();
    await echo?.stop();
  });

  function attempt(id: string, headers: readonly HeaderPair[], target = '/v1/files') {
    const bytes = renderRequest({ target, headers: [['x-vector', id], ...headers] });
    // Not inside the request line: that has a test of its own below.
    const lineEnd = bytes.indexOf('\r\n') + 2;
    const points = choosePoints(bytes, random.fork(), { meanBytes: bytes.length / 8 }).filter(
      (point) => point >= lineEnd,
    );
    return attemptRequest(gateway.port, { id, bytes, points, pauseMs: 2 });
  }

  /** `host` and `x-vector` are the two that every request here carries. */
  function fillCount(count: number): HeaderPair[] {
    return Array.from({ length: count - 2 }, (_, at) => [`x-${at}`, '1'] as const);
  }

  function fillBytes(id: string, byteCount: number): HeaderPair[] {
    const headers: HeaderPair[] = [];
    let left = byteCount - 'hostweir.test'.length - 'x-vector'.length - id.length;
    for (let at = 10; left > 0; at++) {
      const name = `x-${at}`;
      const take = left < 4000 ? left : 3000;
      headers.push([name, 'v'.repeat(take - name.length)]);
      left -= take;
    }
    return headers;
  }

  function assertForwarded(outcome: Outcome): void {
    assert.equal(outcome.kind, 'forwarded', `${outcome.status} ${outcome.detail}`);
    assert.equal(echo.withHeader('x-vector', outcome.id).length, 1);
  }

  function assertRefused(outcome: Outcome): void {
    assert.equal(outcome.kind, 'refused', outcome.detail);
    assert.equal(outcome.status, 431);
    assert.equal(outcome.marker, 'closed');
    assert.match(outcome.response?.text ?? '', /headers_too_large/);
    assert.equal(echo.withHeader('x-vector', outcome.id).length, 0);
  }

  for (const over of [-1, 0]) {
    it(`P-07 header-count-at-limit${over || '+0'}-is-refused`, async () => {
      const id = `count${over}`;
      assertForwarded(await attempt(id, fillCount(BOUNDS.headerCountMax + over)));
    });
    it(`P-07 header-bytes-at-limit${over || '+0'}-are-refused`, async () => {
      const id = `bytes${over}`;
      assertForwarded(await attempt(id, fillBytes(id, BOUNDS.headerBytesMax + over)));
    });
    it(`P-07 target-at-limit${over || '+0'}-is-refused`, async () => {
      const target = '/v1/files?'.padEnd(BOUNDS.targetBytesMax + over, 'a');
      assertForwarded(await attempt(`target${over}`, [], target));
    });
  }

  it('P-07 header-count-one-above-limit-passes', async () => {
    assertRefused(await attempt('count1', fillCount(BOUNDS.headerCountMax + 1)));
  });

  it('P-07 header-bytes-one-above-limit-pass', async () => {
    assertRefused(await attempt('bytes1', fillBytes('bytes1', BOUNDS.headerBytesMax + 1)));
  });

  it('P-07 target-one-above-limit-passes', async () => {
    const target = '/v1/files?'.padEnd(BOUNDS.targetBytesMax + 1, 'a');
    const outcome = await attempt('target1', [], target);
    assert.equal(outcome.kind, 'refused', outcome.detail);
    assert.ok([400, 414, 431].includes(outcome.status), `${outcome.status}`);
    assert.equal(echo.withHeader('x-vector', 'target1').length, 0);
  });

  it('P-07 one-long-header-just-below-the-limit-is-refused', async () => {
    assertForwarded(await attempt('long', [['x-long', 'v'.repeat(15_000)]]));
  });

  it('P-07 headers-sent-byte-by-byte-are-misread', async () => {
    const bytes = renderRequest({ target: '/v1/files', headers: [['x-vector', 'bytewise']] });
    const points = [...bytes.keys()].slice(bytes.indexOf('\r\n') + 2);
    assertForwarded(await attemptRequest(gateway.port, { id: 'bytewise', bytes, points }));
  });

  it('P-07 request-line-sent-in-two-packets-is-misread', async (context) => {
    const bytes = renderRequest({ target: '/v1/files', headers: [['x-vector', 'line']] });
    const answered505: number[] = [];
    for (let point = 1; point < bytes.indexOf('\r\n') + 2; point++) {
      const id = `line${point}`;
      const own = Buffer.from(bytes.toString('latin1').replace('line', id), 'latin1');
      const outcome = await attemptRequest(gateway.port, {
        id,
        bytes: own,
        points: [point],
        pauseMs: 20,
      });
      if (outcome.status === 505) answered505.push(point);
      else assertForwarded(outcome);
    }
    // The file for Node 20 looks for the version before it has come; it then answers 505 and closes.
    context.diagnostic(`split at these bytes the line is answered 505: ${answered505.join(' ')}`);
    if (Number(process.versions.modules) > 115) assert.deepEqual(answered505, []);
  });
});

/** One row, one test: what an odd request may do, and what the upstream may see of it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { EchoUpstream } from '../helpers/echo-upstream.js';
import { FRAMING_VECTORS, type FramingVector } from '../helpers/framing-vectors.js';
import { type Gateway, proxyConfig, startGateway } from '../helpers/gateway.js';
import { attemptAll, auditOracle, type Outcome } from '../helpers/wire-outcome.js';

interface Row extends FramingVector {
  readonly id: string;
}

const ROWS: readonly Row[] = FRAMING_VECTORS.map((vector, number) => ({
  ...vector,
  id: `f${number}`,
}));

describe('framing', () => {
  let echo: EchoUpstream;
  let gateway: Gateway;
  const outcomes = new Map<string, Outcome>();

  before(async () => {
    echo = await EchoUpstream.start();
    gateway = await startGateway({ config: proxyConfig(echo.baseUrl) });
    const attempts = ROWS.map(({ id, bytes, toHead }) => ({
      id,
      bytes: Buffer.from(bytes.toString('latin1').replace('{id}', id), 'latin1'),
      toHead: toHead ?? false,
    }));
    const results = await attemptAll(gateway.port, attempts);
    for (const outcome of results) outcomes.set(outcome.id, outcome);
  });

  after(async () => {
    await gateway?.stop();
    await echo?.stop();
  });

  for (const row of ROWS) {
    const title = row.name.startsWith('P-') ? row.name : `P-01 ${row.name}`;
    it(title, () => assertOutcome(row, outcomes.get(row.id), echo));
  }

  it('P-02 upstream-sees-a-request-nobody-sent', () => {
    const mayBeLost = new Set(ROWS.filter(isOpen).map(({ id }) => id));
    assert.deepEqual(auditOracle(echo, [...outcomes.values()], mayBeLost), []);
  });

  it("P-01 refusal-without-the-api's-own-error-shape", () => {
    const complaints = [...outcomes.values()]
      .filter(({ kind, status }) => kind === 'refused' && status !== 505)
      .filter(({ response }) => !hasErrorShape(response?.text ?? ''))
      .map(({ id, status, response }) => `${nameOf(id)}: ${status} ${response?.text.slice(0, 80)}`);
    // uWebSockets.js answers some of these by itself, in its own words, and closes.
    assert.deepEqual(
      complaints.filter((complaint) => !/uWebSockets|<h1>|: 4\d\d $/.test(complaint)),
      [],
    );
  });
});

function assertOutcome(row: Row, outcome: Outcome | undefined, echo: EchoUpstream): void {
  assert.ok(outcome !== undefined, 'the vector was not tried');
  const seen = `${outcome.kind} ${outcome.status} marker ${outcome.marker} after ${Math.round(outcome.elapsedMs)} ms ${outcome.detail}`;
  assert.ok(row.outcomes.includes(outcome.kind), `${seen}; allowed: ${row.outcomes}`);
  assert.notEqual(outcome.marker, 'wrong', seen);
  if (outcome.kind === 'refused') {
    // Bytes that follow a refused head can make uWebSockets.js answer 505 first, in its own words.
    assert.ok(outcome.status === 505 || row.statuses.includes(outcome.status), seen);
  }
  if (row.closes) assert.equal(outcome.marker, 'closed', `${seen}; must close`);
  const requests = echo.withHeader('x-vector', row.id);
  if (outcome.kind === 'forwarded') assert.equal(requests.length, 1, seen);
  else assert.ok(requests.length <= (isOpen(row) ? 1 : 0), `${seen}; upstream got it`);
  const [request] = requests;
  if (request === undefined) return;
  if (row.body !== undefined) {
    assert.equal(request.bodySha256, createHash('sha256').update(row.body).digest('hex'), seen);
  }
  if (row.method !== undefined) assert.equal(request.method, row.method);
  if (row.target !== undefined) assert.equal(request.target, row.target);
}

/** Both are right: to refuse the request and to forward it. */
function isOpen(row: Row): boolean {
  return row.outcomes.includes('forwarded') && row.outcomes.length > 1;
}

function nameOf(id: string): string {
  return ROWS.find((row) => row.id === id)?.name ?? id;
}

function hasErrorShape(text: string): boolean {
  try {
    const answer: unknown = JSON.parse(text);
    if (typeof answer !== 'object' || answer === null || !('error' in answer)) return false;
    const { error } = answer;
    return (
      typeof error === 'object' &&
      error !== null &&
      ['message', 'type', 'param', 'code'].every((field) => field in error)
    );
  } catch {
    return false;
  }
}

/** The short form of the scenario `slow-clients`: fewer of each; who is cut and who is served, no times. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { attackSlowly, type SlowOutcome } from './scenarios/slow-clients.js';

const SIZES = { heads: 40, bodies: 40, readers: 24, good: 8 };

describe('slow clients and stalled readers', { timeout: 120_000 }, () => {
  let seen: SlowOutcome;

  before(async () => {
    seen = await attackSlowly(SIZES, { calmMs: 500, say: () => {} });
  });

  it('P-08 good-clients-fail-beside-slow-ones', () => {
    assert.deepEqual(seen.failures, []);
    assert.ok(seen.beforeMs.length > 0 && seen.duringMs.length > 0, 'nobody was served');
  });

  it('P-08 slow-client-outlives-its-bound', () => {
    const left = seen.endings.map(({ kind, opened, stillOpen }) => [kind, opened, stillOpen]);
    assert.deepEqual(left, [
      ['heads', SIZES.heads, 0],
      ['bodies', SIZES.bodies, 0],
      ['readers', SIZES.readers, 0],
    ]);
    assert.ok(seen.connectionsLeft <= 0, `${seen.connectionsLeft} connections are left`);
  });

  it('P-10 provider-is-read-on-while-the-reader-stands-still', () => {
    assert.equal(seen.stalledMax, SIZES.readers);
  });
});

/** The two letters of how an exchange ended: total over what can end one, and as docs/access-log.md says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ERRORS, GatewayError } from '../../../src/core/errors.js';
import type { Ended, Exchange, Phase } from '../../../src/exchange.js';
import { CAUSES, findEndCode, PHASE_LETTERS } from '../../../src/observe/end-codes.js';
import { REPOSITORY } from '../../helpers/need.js';
import { Scene } from '../../helpers/relay-scene.js';
import { createExchange } from '../../helpers/stage-fakes.js';

const PHASES: readonly Phase[] = [
  'reading',
  'queued',
  'connecting',
  'waiting',
  'streaming',
  'done',
];

function codeOf(ended: Ended | null, set: Partial<Exchange> = {}): string {
  return findEndCode(Object.assign(createExchange(), set, { ended }));
}

test('every code of the error table and every other reason has two letters, in every phase', () => {
  const reasons = [...Object.keys(ERRORS), 'aborted', 'worker_failed', 'unknown', 'no-such-reason'];
  for (const reason of reasons) {
    const cause = reason in CAUSES ? CAUSES[reason as keyof typeof CAUSES] : 'I';
    for (const phase of PHASES) {
      const code = codeOf({ by: 'gateway', phase, reason });
      assert.match(code, /^[CSsPDKI][-RQCHDL]$/, reason);
      assert.equal(code, cause + PHASE_LETTERS[phase], `${reason} in ${phase}`);
    }
  }
  for (const phase of PHASES) {
    assert.equal(codeOf({ by: 'upstream', phase, reason: 'complete' }), '--');
  }
  assert.equal(codeOf(null), 'I-');
});

test('a cause of the provider’s is none of Weir’s, and the other way round', () => {
  for (const [reason, cause] of Object.entries(CAUSES)) {
    assert.equal(cause === 'S', reason.startsWith('upstream_'), reason);
    if (cause === 's') assert.match(reason, /_timeout$/);
  }
});

/** The rows of the table whose head begins like that: cells of each, the first without its backquotes. */
function readTable(head: string): string[][] {
  const page = readFileSync(join(REPOSITORY, 'docs', 'access-log.md'), 'utf8');
  const from = page.indexOf(head);
  assert.ok(from >= 0, head);
  const table = page.slice(from).split('\n\n')[0] ?? '';
  return table
    .split('\n')
    .slice(2)
    .map((row) => row.split('|').slice(1, -1))
    .map((cells) => cells.map((cell, at) => (at === 0 ? cell.trim().slice(1, -1) : cell.trim())));
}

test('docs/access-log.md tells of every letter, with all reasons and phases that it stands for', () => {
  const namesIn = (cell = ''): string[] => cell.split(', ').map((name) => name.slice(1, -1));
  const causes = readTable('| letter | what ended it |').flatMap(([letter, , reasons]) =>
    namesIn(reasons).map((reason) => [reason, letter]),
  );
  assert.equal(new Set(causes.map(([reason]) => reason)).size, causes.length);
  assert.deepEqual(Object.fromEntries(causes), CAUSES);
  const phases = readTable('| letter | how far |').map(([letter, , phase]) => [
    letter,
    letter === 'L' ? ['last'] : namesIn(phase),
  ]);
  const told = phases.flatMap(([letter, names]) =>
    (names as string[]).map((name) => [name, letter]),
  );
  assert.deepEqual(Object.fromEntries(told), PHASE_LETTERS);
});

test('once the provider has said all, only the client is waited for', () => {
  const behind = (): Scene => {
    const scene = new Scene().begin().head();
    scene.downstream.isBehind = true;
    return scene.read('data: 1\n\n').read('data: 2\n\n');
  };
  const left = behind();
  left.downstream.leave();
  assert.equal(findEndCode(left.exchange), 'CD');
  const leftLast = behind().end();
  leftLast.downstream.leave();
  assert.deepEqual(leftLast.exchange.ended?.phase, 'streaming');
  assert.equal(findEndCode(leftLast.exchange), 'CL');
  const late = behind().end();
  late.relay.onUpstreamFailure(new GatewayError('exchange_timeout', 'over'));
  assert.equal(findEndCode(late.exchange), 'DL');
  const whole = behind().end();
  whole.downstream.catchUp();
  assert.equal(findEndCode(whole.exchange), '--');
});

test('where a drain cuts, and where a worker fails', () => {
  for (const [reason, code] of [
    ['draining', 'KH'],
    ['worker_failed', 'IH'],
  ] as const) {
    const scene = new Scene().begin();
    scene.isClosing = true;
    scene.closingReason = reason;
    scene.downstream.leave();
    assert.equal(findEndCode(scene.exchange), code);
  }
});

/** Answers that are there whole are sent at the end of the turn, where many exchanges run. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BOUNDS } from '../../../src/core/bounds.js';
import { Scene } from '../../helpers/relay-scene.js';

const JSON_HEAD = { isEventStream: false, lines: 'content-type: application/json\r\n' };

function begin(text: string, workerInFlight: number = BOUNDS.turnRowFrom): Scene {
  const scene = new Scene();
  scene.workerInFlight = workerInFlight;
  scene.begin().head({ ...JSON_HEAD, contentLength: text.length });
  scene.relay.onUpstreamData(scene.lend(text));
  return scene.end();
}

test('an answer that waits is a copy, and is sent at the end of the turn', async () => {
  const scene = begin('{"a":1}');
  scene.overwrite();
  assert.deepEqual([scene.downstream.status, scene.endings], ['', 0]);
  await nextTurn();
  assert.equal(scene.downstream.body, '{"a":1}');
  assert.equal(scene.downstream.ending, 'whole');
  assert.deepEqual(scene.exchange.ended, { by: 'upstream', phase: 'done', reason: 'complete' });
  assert.equal(scene.endings, 1);
  assert.ok(scene.exchange.answerReadMs > 0);
  assert.deepEqual(scene.faults, []);
});

test('where few run, and what is long or has begun, is sent at once', async () => {
  assert.equal(begin('{"a":1}', BOUNDS.turnRowFrom - 1).downstream.body, '{"a":1}');
  const long = 'x'.repeat(BOUNDS.turnRowAnswerBytesMax + 1);
  assert.equal(begin(long).downstream.body, long);
  const stream = new Scene();
  stream.workerInFlight = BOUNDS.turnRowFrom;
  stream.begin().head().read('data: 1\n\n').read('data: 2\n\n').end();
  assert.equal(stream.downstream.ending, 'whole');
});

test('a client that leaves while its answer waits is sent nothing', async () => {
  const scene = begin('{"a":1}');
  scene.relay.onDownstreamGone();
  await nextTurn();
  assert.equal(scene.downstream.body, '');
  assert.equal(scene.exchange.ended?.reason, 'aborted');
  assert.equal(scene.endings, 1);
});

test('an exchange whose time is over while its answer waits has one answer', async () => {
  const scene = begin('{"a":1}');
  scene.fail('upstream_reset');
  const { body } = scene.downstream;
  await nextTurn();
  assert.deepEqual([scene.downstream.body, body.includes('upstream_reset')], [body, true]);
  assert.equal(scene.endings, 1);
});

/** What is read of providers is sent at the end of the turn, where many exchanges run and it is little. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BOUNDS } from '../../../src/core/bounds.js';
import { GatewayError } from '../../../src/core/errors.js';
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

test('where few run, and what is long, is sent at once', () => {
  assert.equal(begin('{"a":1}', BOUNDS.turnRowFrom - 1).downstream.body, '{"a":1}');
  const long = 'x'.repeat(BOUNDS.turnRowAnswerBytesMax + 1);
  assert.equal(begin(long).downstream.body, long);
});

function beginStream(): Scene {
  const scene = new Scene();
  scene.workerInFlight = BOUNDS.turnRowFrom;
  return scene.begin().head();
}

test('what a turn reads of a stream is sent at its end, in its order', async () => {
  const scene = beginStream().read('data: 1\n\n').read('data: 2\n\n');
  assert.equal(scene.downstream.body, '');
  await nextTurn();
  assert.equal(scene.downstream.body, 'data: 1\n\ndata: 2\n\n');
  scene.read('data: 3\n\n').end();
  assert.equal(scene.exchange.ended, null);
  await nextTurn();
  assert.equal(scene.downstream.body, 'data: 1\n\ndata: 2\n\ndata: 3\n\n');
  assert.deepEqual([scene.downstream.ending, scene.endings], ['whole', 1]);
});

test('what is long takes along what waits before it', async () => {
  const scene = beginStream().read('data: ');
  const long = 'x'.repeat(BOUNDS.turnRowAnswerBytesMax);
  scene.relay.onUpstreamData(scene.lend(long));
  scene.relay.onUpstreamTurn(1);
  scene.overwrite();
  assert.equal(scene.downstream.body, `data: ${long}`);
  await nextTurn();
  assert.equal(scene.downstream.body, `data: ${long}`);
});

test('a client that falls behind while something waits gets all of it when it has caught up', async () => {
  const scene = beginStream().read('1');
  scene.downstream.isBehind = true;
  await nextTurn();
  scene.read('2');
  await nextTurn();
  assert.equal(scene.downstream.body, '1');
  scene.downstream.catchUp();
  assert.equal(scene.downstream.body, '12');
  scene.read('3').end();
  await nextTurn();
  assert.deepEqual([scene.downstream.body, scene.downstream.ending], ['123', 'whole']);
});

test('a comment that fills a silence is not put into an event of which a part waits', async () => {
  const scene = beginStream().read('data: 1\n\n');
  await nextTurn();
  scene.read('data: ');
  scene.relay.onSilence(Buffer.from(':\n\n'));
  scene.read('2\n\n');
  await nextTurn();
  assert.equal(scene.downstream.body, 'data: 1\n\ndata: 2\n\n');
});

test('what came before a stream was cut goes down before its error', async () => {
  const scene = beginStream().read('data: 1\n\n');
  await nextTurn();
  scene.read('data: 2\n\n').fail();
  const expected = 'data: 1\n\ndata: 2\n\ndata: {"code":"upstream_cut"}\n\n';
  assert.equal(scene.downstream.body, expected);
  await nextTurn();
  assert.deepEqual([scene.downstream.body, scene.endings], [expected, 1]);
});

test('an answer that is cut in the turn in which it began is begun all the same', async () => {
  const scene = beginStream().read('data: 1\n\n').fail();
  const expected = 'data: 1\n\ndata: {"code":"upstream_cut"}\n\n';
  assert.deepEqual([scene.downstream.status, scene.downstream.body], ['200 OK', expected]);
  await nextTurn();
  assert.deepEqual([scene.downstream.body, scene.endings], [expected, 1]);
});

test('a stream whose budget is used up ends at the end of the turn', async () => {
  const scene = beginStream();
  scene.exchange.endsWhenExhausted = true;
  scene.isBudgetUsedUp = true;
  scene.read('data: 1\n\n');
  assert.equal(scene.endings, 0);
  await nextTurn();
  assert.equal(scene.exchange.ended?.reason, 'limit_reached');
  assert.match(scene.downstream.body, /^data: 1\n\n/);
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
  scene.relay.refuse(new GatewayError('exchange_timeout', 'over'));
  const { body } = scene.downstream;
  await nextTurn();
  assert.deepEqual([scene.downstream.body, body.includes('exchange_timeout')], [body, true]);
  assert.equal(scene.endings, 1);
});

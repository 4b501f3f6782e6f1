/** What is held of an answer until it is known whether it goes to the client: with hedges, and where it may be an error. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AttemptStage as Stage } from '../../helpers/attempt-stage.js';

test('with a hedge a stream is held until its first token, and goes down in its order then', (context) => {
  const stage = new Stage(context, ['p', 'q'], 100).start();
  stage.call(0).head().data(': comment\n\n', 'data: role\n\n');
  assert.deepEqual(stage.told, []);
  stage.clock.advance(200);
  assert.equal(stage.call(1).provider, 'q', 'the hedge’s time runs until the token');
  stage.call(0).data('data: token\n\n').end();
  assert.deepEqual(stage.told, [
    'head 200',
    ': comment\n\n',
    'data: role\n\n',
    'data: token\n\n',
    'end',
  ]);
  assert.equal(stage.call(1).isCancelled, true);
  assert.deepEqual(stage.outcomes, ['q:outrun', 'p:ok']);
});

test('a hedge wins with its first token, not with its head', (context) => {
  const stage = new Stage(context, ['p', 'q'], 100).start();
  stage.call(0).head();
  stage.clock.advance(200);
  stage.call(1).head().data('data: role of q\n\n');
  assert.equal(stage.call(0).isCancelled, false, 'a head alone wins nothing');
  stage.call(0).data('data: token of p\n\n').end();
  assert.deepEqual(stage.told, ['head 200', 'data: token of p\n\n', 'end']);
  assert.equal(stage.call(1).isCancelled, true);
  assert.deepEqual(stage.outcomes, ['q:outrun', 'p:ok']);
});

test('a hedge that wins brings along what it got before its token', (context) => {
  const stage = new Stage(context, ['p', 'q'], 100).start();
  stage.clock.advance(200);
  stage.call(1).head().data('data: role\n\n', 'data: token\n\n', 'data: 2\n\n').end();
  assert.deepEqual(stage.told, [
    'head 200',
    'data: role\n\n',
    'data: token\n\n',
    'data: 2\n\n',
    'end',
  ]);
  assert.deepEqual(stage.outcomes, ['p:outrun', 'q:ok']);
  assert.equal(stage.heldBytes, 0);
});

test('a hedge of which a head and a role are here goes on with them when the first fails', (context) => {
  const stage = new Stage(context, ['p', 'q'], 100).start();
  stage.clock.advance(200);
  stage.call(1).head().data('data: role\n\n');
  stage.call(0).fail('upstream_reset');
  assert.deepEqual(stage.told, [], 'it is held on to');
  stage.call(1).data('data: token\n\n').end();
  assert.deepEqual(stage.told, ['head 200', 'data: role\n\n', 'data: token\n\n', 'end']);
  assert.deepEqual(stage.outcomes, ['p:reset_before_head', 'q:ok']);
});

test('a hedge that fails in its stream leaves the first alone, also when it then fails itself', (context) => {
  const stage = new Stage(context, ['p', 'q', 'r'], 100).start();
  stage.clock.advance(200);
  stage.call(1).head().data('data: {"error":{"code":503}}\n\n');
  assert.deepEqual(stage.outcomes, ['q:overloaded']);
  stage.call(0).fail('upstream_reset');
  stage.call(2).head().data('data: token\n\n').end();
  assert.deepEqual(stage.told, ['head 200', 'data: token\n\n', 'end']);
  assert.deepEqual(stage.outcomes, ['q:overloaded', 'p:reset_before_head', 'r:ok']);
});

test('a hedge whose stream is an error without an end is not waited for, nor one that is refused', (context) => {
  const stage = new Stage(context, ['p', 'q'], 100).start();
  stage.clock.advance(200);
  stage.call(1).head(400, 'application/json').data('{"error":{"code":"x"}}').end();
  assert.deepEqual(stage.outcomes, ['q:bad_request']);
  stage.call(0).head().data('data: token\n\n').end();
  assert.deepEqual(stage.outcomes, ['q:bad_request', 'p:ok']);
});

test('a hedge whose stream ends without a token is an answer too', (context) => {
  const stage = new Stage(context, ['p', 'q'], 100).start();
  stage.clock.advance(200);
  stage.call(1).head().data('data: role\n\n').end();
  assert.deepEqual(stage.told, ['head 200', 'data: role\n\n', 'end']);
  assert.deepEqual(stage.outcomes, ['p:outrun', 'q:ok']);
});

test('a hedge’s answer that is no stream wins with its head', (context) => {
  const stage = new Stage(context, ['p', 'q'], 100).start();
  stage.clock.advance(200);
  stage.call(1).head(200, 'application/json');
  assert.equal(stage.call(0).isCancelled, true);
  stage.call(1).data('{}').end();
  assert.deepEqual(stage.told, ['head 200', '{}', 'end']);
});

test('a stream that begins with an error is a failed attempt, whoever holds it or not', (context) => {
  for (const hedgeMs of [null, 60_000]) {
    const stage = new Stage(context, ['p', 'q'], hedgeMs).start();
    stage.call(0).head().data('data: {"error":{"type":"server_error"}}\n\n');
    stage.call(1).head().data('data: token\n\n').end();
    assert.deepEqual(stage.told, ['head 200', 'data: token\n\n', 'end']);
    assert.deepEqual(stage.outcomes, ['p:server_error', 'q:ok']);
    assert.equal(stage.heldBytes, 0);
  }
});

test('an error’s event that comes in pieces is waited for; what only looked like one goes on', (context) => {
  const stage = new Stage(context, ['p', 'q']).start();
  stage.call(0).head().data('event: error\n', 'data: {"type":"error",');
  assert.deepEqual(stage.told, []);
  stage.call(0).data('"error":{"type":"overloaded_error"}}\n\n');
  stage.call(1).head().data('event: error\n', 'data: no').data('ne\n', 'id: 7\n\n', 'data: 1\n\n');
  assert.deepEqual(stage.outcomes, ['p:overloaded', 'q:server_error']);
  const other = new Stage(context, ['p', 'q']).start();
  other.call(0).head().data('data: {"id":1,"logprobs":["error"],').data('"x":1}\n\n').end();
  assert.deepEqual(other.told, [
    'head 200',
    'data: {"id":1,"logprobs":["error"],',
    '"x":1}\n\n',
    'end',
  ]);
  assert.deepEqual(other.outcomes, ['p:ok']);
});

test('an error within a stream that nobody can replace goes to the caller as it came', (context) => {
  const stage = new Stage(context, ['p', 'q']).start();
  const event = 'data: {"error":{"type":"invalid_request_error"}}\n\n';
  stage.call(0).head().data(event).end();
  assert.deepEqual(stage.told, ['head 200', event, 'end']);
  assert.deepEqual(stage.outcomes, ['p:bad_request']);
});

test('an error behind content is none of Weir’s business', (context) => {
  const stage = new Stage(context, ['p', 'q']).start();
  stage.call(0).head().data('data: 1\n\n', 'data: {"error":{"code":500}}\n\n').end();
  assert.deepEqual(stage.outcomes, ['p:ok']);
});

test('an error’s body that was read to its end leaves no time running that begins a call beside the next', (context) => {
  const stage = new Stage(context, ['p', 'q', 'r']).start();
  stage.call(0).head(429, 'application/json').data('{"error":{}}').end();
  stage.clock.advance(1);
  assert.equal(stage.call(1).provider, 'q');
  stage.clock.advance(5000);
  assert.equal(stage.calls.length, 2);
});

test('an error that does not end leads to the next all the same, after a second', (context) => {
  const stage = new Stage(context, ['p', 'q']).start();
  stage.call(0).head(429, 'application/json').data('{"error":');
  stage.clock.advance(1100);
  stage.call(1).head().data('x').end();
  assert.deepEqual(stage.told, ['head 200', 'x', 'end']);
  assert.deepEqual(stage.outcomes, ['p:throttled', 'q:ok']);
});

test('what was held of a stream that the hedge outruns never reaches the client', (context) => {
  const stage = new Stage(context, ['p', 'q'], 100).start();
  stage.call(0).head().data('data: role\n\n');
  stage.clock.advance(200);
  stage.call(1).head().data('data: token of q\n\n').end();
  assert.deepEqual(stage.told, ['head 200', 'data: token of q\n\n', 'end']);
  assert.equal(stage.call(0).isCancelled, true);
  assert.deepEqual(stage.outcomes, ['p:outrun', 'q:ok']);
});

test('what was held of a stream that broke off is forgotten with it', (context) => {
  const stage = new Stage(context, ['p', 'q'], 100).start();
  stage.call(0).head().data('data: role\n\n').fail();
  stage.call(1).head().data('data: token\n\n').end();
  assert.deepEqual(stage.told, ['head 200', 'data: token\n\n', 'end']);
});

test('a compressed stream, whose tokens nobody sees, is held no longer than its head', (context) => {
  const stage = new Stage(context, ['p', 'q'], 50).start();
  stage.call(0).head(200, 'text/event-stream\r\ncontent-encoding: gzip').data('packed');
  assert.deepEqual(stage.told, ['head 200', 'packed']);
});

test('a stream that ends without a token is an answer too', (context) => {
  const stage = new Stage(context, ['p', 'q'], 100).start();
  stage.call(0).head().data('data: role\n\n').end();
  assert.deepEqual(stage.told, ['head 200', 'data: role\n\n', 'end']);
});

test('an error that does not end is passed on after a second, with what came of it', (context) => {
  const stage = new Stage(context, ['p', 'q']).start();
  stage.call(0).head(400, 'application/json').data('{"error":');
  assert.deepEqual(stage.told, []);
  stage.clock.advance(1100);
  assert.deepEqual(stage.told, ['head 400', '{"error":']);
  stage.call(0).data('1}').end();
  assert.deepEqual(stage.told, ['head 400', '{"error":', '1}', 'end']);
  assert.deepEqual(stage.outcomes, ['p:bad_request']);
});

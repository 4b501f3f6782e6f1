/** What a Downstream asks of uWebSockets.js, in which order; its behaviour on real sockets is in test/promises. */

import type { HttpResponse } from 'uWebSockets.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Downstream } from '../../../src/accept/downstream.js';
import { createHead } from '../../../src/core/answer-head.js';

const HEAD = createHead('200 OK', []);

/** Records the names of the calls; `tryEnd` takes everything. */
function createResponse(): { readonly calls: string[]; readonly response: HttpResponse } {
  const calls: string[] = [];
  let taken = 0;
  const record = (name: string) => () => {
    calls.push(name);
    return true;
  };
  const response = {
    onAborted: () => {},
    onWritable: () => {},
    cork: (run: () => void) => run(),
    writeStatus: () => {},
    writeHeader: () => {},
    pause: record('pause'),
    resume: record('resume'),
    write: record('write'),
    end: record('end'),
    endWithoutBody: record('endWithoutBody'),
    close: record('close'),
    tryEnd: (piece: Uint8Array, total: number) => {
      calls.push('tryEnd');
      taken += piece.length;
      return [true, taken === total];
    },
    getWriteOffset: () => taken,
  };
  return { calls, response: response as unknown as HttpResponse };
}

const ANSWERS: readonly [string, (downstream: Downstream) => void, string[]][] = [
  ['whole', (downstream) => downstream.answer(HEAD, 'body', false), ['end']],
  ['without body', (downstream) => downstream.answerWithoutBody(HEAD, 3), ['endWithoutBody']],
  [
    'in chunks',
    (downstream) => downstream.send(HEAD, [Buffer.from('a')], -1, true),
    ['write', 'end'],
  ],
];

for (const [what, answer, ends] of ANSWERS) {
  test(`an answer ${what} leaves a paused connection deaf`, () => {
    const { calls, response } = createResponse();
    const downstream = new Downstream(response);
    downstream.pauseReading();
    answer(downstream);
    assert.equal(downstream.isOpen, false);
    assert.deepEqual(calls.filter((call) => call === 'resume').length, 1);
    assert.ok(calls.indexOf('resume') < calls.lastIndexOf(ends.at(-1) as string), calls.join());
  });
}

test('an answer of a length leaves a paused connection deaf', () => {
  const { calls, response } = createResponse();
  const downstream = new Downstream(response);
  downstream.pauseReading();
  downstream.send(HEAD, [Buffer.from('abc')], 6, false);
  assert.deepEqual(calls, ['pause', 'tryEnd'], 'while the answer goes on the upload stays paused');
  downstream.send(null, [Buffer.from('def')], 6, true);
  assert.deepEqual(calls, ['pause', 'tryEnd', 'resume', 'tryEnd']);
  assert.equal(downstream.isOpen, false);
});

test('a connection that was not paused is resumed', () => {
  const { calls, response } = createResponse();
  const downstream = new Downstream(response);
  downstream.answer(HEAD, '', false);
  downstream.resumeReading();
  downstream.cut();
  assert.deepEqual(calls, ['end']);
});

test('an empty piece ends an answer of which more is to come', () => {
  const { calls, response } = createResponse();
  const downstream = new Downstream(response);
  downstream.send(HEAD, [Buffer.from('abc'), Buffer.alloc(0)], 6, false);
  assert.deepEqual(calls, ['tryEnd']);
  assert.equal(downstream.isOpen, true);
});

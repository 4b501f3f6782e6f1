/** Where a request is written, and for how long it stays there. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { KeptBody } from '../../../src/upstream/kept-bodies.js';
import { RequestWriter } from '../../../src/upstream/request-writer.js';

const HEAD = 'POST / HTTP/1.1\r\n\r\n';

/** A socket that takes what is written when it is told to. */
class SlowSocket {
  readonly writableLength = 0;
  readonly taken: string[] = [];
  #chunk: Buffer | null = null;
  #onWritten: () => void = () => {};

  _write(chunk: Buffer, _encoding: string, onWritten: () => void): void {
    this.#chunk = chunk;
    this.#onWritten = onWritten;
  }

  take(): void {
    this.taken.push(this.#chunk?.toString('latin1') ?? '');
    this.#onWritten();
  }
}

function createWriter(): { writer: RequestWriter; socket: SlowSocket } {
  const socket = new SlowSocket();
  return { writer: new RequestWriter(socket as unknown as Socket), socket };
}

test('a request that is written to its place is sent whole, and its body stays there', () => {
  const { writer, socket } = createWriter();
  const place = new KeptBody(64);
  const lent = Buffer.from('{"a":1}');
  writer.write(HEAD, [lent], '', true, place);
  lent.fill(0);
  assert.equal(place.isPending, true);
  assert.equal(writer.isBusy, true);
  socket.take();
  assert.equal(place.isPending, false);
  assert.equal(writer.isBusy, false);
  assert.deepEqual(socket.taken, [`${HEAD}{"a":1}`]);
  assert.equal(place.buffer.toString('latin1', place.start, place.end), '{"a":1}');
  assert.equal(writer.recallBody()?.toString(), '{"a":1}');
  writer.forget();
  assert.equal(writer.recallBody(), null);
});

test('a place that is filled, or too small, is left alone', () => {
  const { writer, socket } = createWriter();
  const place = new KeptBody(64);
  place.buffer.write('{"a":1}');
  place.start = 0;
  place.end = 7;
  writer.write(HEAD, [place.buffer.subarray(0, 7)], '', true, place);
  assert.equal(place.isPending, false);
  socket.take();
  const small = new KeptBody(20);
  writer.write(HEAD, [Buffer.from('{"a":2}')], '', true, small);
  assert.equal(small.isFilled, false);
  socket.take();
  assert.deepEqual(socket.taken, [`${HEAD}{"a":1}`, `${HEAD}{"a":2}`]);
  assert.equal(place.buffer.toString('latin1', 0, 7), '{"a":1}');
  assert.equal(writer.recallBody()?.toString(), '{"a":2}');
});

test('a chunk’s size and end stand around the body, and are not part of it', () => {
  const { writer, socket } = createWriter();
  const place = new KeptBody(64);
  writer.write(`${HEAD}3\r\n`, [Buffer.from('abc')], '\r\n', false, place);
  socket.take();
  assert.deepEqual(socket.taken, [`${HEAD}3\r\nabc\r\n`]);
  assert.equal(place.buffer.toString('latin1', place.start, place.end), 'abc');
  assert.equal(writer.recallBody(), null);
});

/** Where a request is written, and for how long it stays there. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { ByteBudget } from '../../../src/inspect/budget.js';
import { KeptBodies, type KeptBody } from '../../../src/inspect/kept-bodies.js';
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

function keep(text: string): KeptBody {
  const place = new KeptBodies(new ByteBudget(1024 * 1024, () => {})).reserve(text.length);
  assert.ok(place !== null);
  place.fill(Buffer.from(text));
  return place;
}

function view({ buffer, start, end }: KeptBody): Buffer {
  return buffer.subarray(start, end);
}

test('a request is sent whole from where its body is kept, and the body stays there', () => {
  const { writer, socket } = createWriter();
  const place = keep('{"a":1}');
  writer.write(HEAD, [view(place)], '', true, place);
  assert.equal(place.isPending, true);
  assert.equal(writer.isBusy, true);
  socket.take();
  assert.equal(place.isPending, false);
  assert.equal(writer.isBusy, false);
  assert.deepEqual(socket.taken, [`${HEAD}{"a":1}`]);
  assert.equal(view(place).toString(), '{"a":1}');
  assert.equal(writer.recallBody()?.toString(), '{"a":1}');
  writer.forget();
  assert.equal(writer.recallBody(), null);
});

test('a place that another socket still reads from, or with too little room, is left alone', () => {
  const { writer, socket } = createWriter();
  const place = keep('{"a":1}');
  place.isPending = true;
  place.buffer.fill('-', place.from, place.start);
  writer.write(HEAD, [view(place)], '', true, place);
  socket.take();
  assert.equal(place.isPending, true);
  place.isPending = false;
  const longHead = HEAD.padEnd(place.start - place.from + 1, '\n');
  writer.write(longHead, [view(place)], '', true, place);
  assert.equal(place.isPending, false);
  socket.take();
  const room = place.buffer.toString('latin1', place.from, place.start);
  assert.equal(room, '-'.repeat(place.start - place.from));
  const longestHead = HEAD.padEnd(place.start - place.from, '\n');
  writer.write(longestHead, [view(place)], '', true, place);
  assert.equal(place.isPending, true);
  socket.take();
  const expected = [HEAD, longHead, longestHead].map((head) => `${head}{"a":1}`);
  assert.deepEqual(socket.taken, expected);
  assert.equal(writer.recallBody()?.toString(), '{"a":1}');
});

test('a chunk’s size and end stand around the body, and not where it is kept', () => {
  const { writer, socket } = createWriter();
  const place = keep('abc');
  writer.write(`${HEAD}3\r\n`, [view(place)], '\r\n', false, place);
  socket.take();
  assert.deepEqual(socket.taken, [`${HEAD}3\r\nabc\r\n`]);
  assert.equal(view(place).toString(), 'abc');
  assert.equal(place.isPending, false);
  assert.equal(writer.recallBody(), null);
});

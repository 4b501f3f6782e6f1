/** A call's waits by a made-up clock, on a connection that is made up too: which of them counts when. */

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import type { ModelTimeouts, ProviderTimeouts } from '../../../src/config/model.js';
import { BOUNDS } from '../../../src/core/bounds.js';
import { Deadlines } from '../../../src/core/deadlines.js';
import { GatewayError } from '../../../src/core/errors.js';
import { UpstreamCall } from '../../../src/upstream/call.js';
import { createCallTimeouts } from '../../../src/upstream/call-timeouts.js';
import type { UpstreamConnection } from '../../../src/upstream/engine.js';
import type { ResponseHead } from '../../../src/upstream/response-head.js';
import { FakeClock } from '../../helpers/fake-clock.js';

/** By the clock of the test: the latest that a timeout may come. */
const LATE_MS = 2 * BOUNDS.timerTickMs;
const TOKEN = Buffer.from('token');
const PING = Buffer.from('ping');

const LONG: ProviderTimeouts = {
  connectMs: 1e6,
  firstByteMs: 1e6,
  firstTokenMs: 1000,
  idleMs: 1e6,
  wholeMs: null,
};

class Scene {
  readonly clock: FakeClock;
  readonly upload = new Readable({ read: () => {} });
  readonly call: UpstreamCall;
  failure: string | null = null;
  failures = 0;
  isDestroyed = false;

  constructor(
    context: TestContext,
    timeouts: Partial<ProviderTimeouts> = {},
    model: ModelTimeouts | null = null,
  ) {
    this.clock = new FakeClock(context);
    const request = {
      method: 'POST',
      target: '/v1/x',
      headerLines: '',
      pieces: [],
      isLent: false,
      place: null,
      upload: this.upload,
      isRepeatable: true,
      bodyBytes: -1,
    };
    const nothing = (): void => {};
    this.call = new UpstreamCall(
      { name: 'p', release: nothing, withdraw: nothing, resend: nothing },
      request,
      {
        onUpstreamSent: nothing,
        onUpstreamHead: nothing,
        onUpstreamData: nothing,
        onUpstreamTurn: nothing,
        onUpstreamEnd: nothing,
        onUpstreamFailure: (failure) => {
          assert.ok(failure instanceof GatewayError);
          this.failure = failure.code;
          this.failures += 1;
        },
      },
      createCallTimeouts(new Deadlines(), { ...LONG, ...timeouts }, model, () => ({
        take: (chunk) => chunk.equals(TOKEN),
      })),
    );
    const connection: UpstreamConnection = {
      isUsable: true,
      address: { host: '127.0.0.1' } as UpstreamConnection['address'],
      rest: nothing,
      send: (_request, handler) => handler.onSent(),
      recallBody: () => null,
      pause: nothing,
      resume: nothing,
      destroy: () => {
        this.isDestroyed = true;
      },
    };
    this.call.start(connection, true);
  }

  head(head: Partial<ResponseHead> = {}): this {
    const events = { status: 200, isEventStream: true, isEncoded: false, ...head };
    this.call.onHead(events as ResponseHead, this.clock.nowMs);
    return this;
  }

  read(chunk: Buffer): this {
    this.call.onData(chunk);
    this.call.onTurn(this.clock.nowMs);
    return this;
  }
}

test('what is no content does not put the first token off', (t) => {
  const scene = new Scene(t);
  scene.clock.advance(400);
  scene.head();
  for (let at = 0; at < 5; at += 1) {
    scene.clock.advance(100);
    scene.read(PING);
  }
  assert.equal(scene.failure, null);
  scene.clock.advance(100 + LATE_MS);
  assert.equal(scene.failure, 'first_token_timeout');
  assert.equal(scene.isDestroyed, true);
  assert.equal(scene.call.endedIn, 'streaming');
  scene.clock.advance(2e4);
  assert.equal(scene.failures, 1);
  assert.equal(scene.clock.intervalCount, 0, 'something waits still');
});

test('after the first token there is no wait for it', (t) => {
  const scene = new Scene(t).head().read(PING).read(TOKEN);
  scene.clock.advance(2e4);
  scene.read(PING);
  scene.clock.advance(2e4);
  assert.equal(scene.failure, null);
});

test('of an answer that can’t be looked into the head is the first token', (t) => {
  for (const head of [{ isEventStream: false }, { isEncoded: true }, { status: 500 }]) {
    const scene = new Scene(t).head(head);
    scene.clock.advance(2e4);
    assert.equal(scene.failure, null, JSON.stringify(head));
  }
});

test('a client that is behind is not held against the provider', (t) => {
  const scene = new Scene(t).head();
  scene.call.pause();
  scene.clock.advance(2e4);
  assert.equal(scene.failure, null);
  scene.call.resume();
  scene.clock.advance(1000 + LATE_MS);
  assert.equal(scene.failure, 'first_token_timeout');
  const begun = new Scene(t).head();
  begun.call.pause();
  begun.read(TOKEN);
  begun.call.resume();
  begun.clock.advance(2e4);
  assert.equal(begun.failure, null);
});

test('an upload that goes on puts the first byte and the first token off', (t) => {
  const scene = new Scene(t, { firstByteMs: 1000 });
  for (let at = 0; at < 5; at += 1) {
    scene.clock.advance(900);
    scene.upload.emit('progress');
  }
  assert.equal(scene.failure, null);
  scene.clock.advance(1000 + LATE_MS);
  assert.match(scene.failure ?? '', /^first_(?:byte|token)_timeout$/);
  assert.equal(scene.failures, 1, 'both are due, and one is told');
});

test('a call that is over waits for nothing', (t) => {
  const ends = [
    (scene: Scene): void => scene.call.cancel(),
    (scene: Scene): void => scene.head().call.onEnd(scene.clock.nowMs),
    (scene: Scene): void => scene.head().call.cancel(),
  ];
  for (const end of ends) {
    const scene = new Scene(t);
    end(scene);
    scene.clock.advance(1e4);
    assert.equal(scene.failures, 0);
    assert.equal(scene.clock.intervalCount, 0);
  }
});

test('waits of one length are not taken for each other', (t) => {
  const scene = new Scene(t, { firstByteMs: 500, firstTokenMs: null, idleMs: 500 });
  scene.clock.advance(400);
  // Part of a head, which is no piece of an answer.
  scene.call.onTurn(scene.clock.nowMs);
  scene.clock.advance(100 + LATE_MS);
  assert.equal(scene.failure, 'first_byte_timeout');
});

test('a model’s timeouts stand in place of its provider’s, each by itself', (t) => {
  const none = { firstByteMs: null, firstTokenMs: null, idleMs: null, wholeMs: null };
  const cases: readonly (readonly [Partial<ModelTimeouts>, string])[] = [
    [{ firstByteMs: 100 }, 'first_byte_timeout'],
    [{ firstTokenMs: 100 }, 'first_token_timeout'],
  ];
  for (const [model, code] of cases) {
    const scene = new Scene(t, {}, { ...none, ...model });
    scene.clock.advance(100 + LATE_MS);
    assert.equal(scene.failure, code);
  }
  const idle = new Scene(t, {}, { ...none, idleMs: 100 }).head().read(TOKEN);
  idle.clock.advance(100 + LATE_MS);
  assert.equal(idle.failure, 'idle_timeout');
  const token = new Scene(t, { firstTokenMs: null });
  token.clock.advance(2e4);
  assert.equal(token.failure, null, 'not bounded where nobody says so');
});

/** Which address is tried when, with sockets that connect and fail when they are told to. */
import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import type { Address } from '../../../src/upstream/addresses.js';
import { ConnectRace } from '../../../src/upstream/connect-race.js';
import { pause } from '../../helpers/changes.js';

class Track {
  readonly sockets: Socket[] = [];
  readonly failed: string[] = [];
  won: string | null = null;
  readonly losses: string[] = [];
  readonly race: ConnectRace;

  constructor(...hosts: readonly string[]) {
    const addresses = hosts.map((host): Address => ({ host, isGone: false }));
    this.race = new ConnectRace(addresses, {
      open: () => {
        const socket = new Socket();
        this.sockets.push(socket);
        return socket;
      },
      onWon: (_socket, { host }) => {
        assert.equal(this.won, null);
        this.won = host;
      },
      onAddressFailed: ({ host }) => this.failed.push(host),
      onLost: (error) => {
        this.losses.push(error.message);
      },
    });
    this.race.begin();
  }

  connect(index: number): void {
    this.sockets[index]?.emit('connect');
  }

  fail(index: number, message: string): void {
    this.sockets[index]?.emit('error', new Error(message));
  }
}

test('the next address is tried beside the first after the delay; the loser is closed', async () => {
  const track = new Track('a', 'b', 'c');
  assert.equal(track.sockets.length, 1);
  await pause(BOUNDS.connectAttemptMs + 30);
  assert.equal(track.sockets.length, 2);
  track.connect(1);
  assert.equal(track.won, 'b');
  assert.equal(track.sockets[0]?.destroyed, true);
  assert.equal(track.sockets[1]?.destroyed, false);
  track.connect(0);
  await pause(BOUNDS.connectAttemptMs + 30);
  assert.equal(track.sockets.length, 2, 'no more after one has won');
});

test('an address that is late wins if it answers before the others', async () => {
  const track = new Track('a', 'b');
  await pause(BOUNDS.connectAttemptMs + 30);
  track.connect(0);
  assert.equal(track.won, 'a');
  assert.equal(track.sockets[1]?.destroyed, true);
});

test('after a failure the next address is tried at once', () => {
  const track = new Track('a', 'b', 'c');
  track.fail(0, 'first');
  assert.equal(track.sockets.length, 2);
  track.fail(1, 'second');
  track.connect(2);
  assert.equal(track.won, 'c');
  assert.deepEqual(track.failed, ['a', 'b']);
});

test('when all have failed the first error is told, once', () => {
  const track = new Track('a', 'b');
  track.fail(0, 'first');
  assert.deepEqual(track.losses, []);
  track.fail(1, 'second');
  track.fail(1, 'again');
  assert.deepEqual(track.losses, ['first']);
  assert.equal(track.won, null);
  assert.ok(track.sockets.every(({ destroyed }) => destroyed));
});

test('a failure while another attempt is under way is not the end', async () => {
  const track = new Track('a', 'b');
  await pause(BOUNDS.connectAttemptMs + 30);
  track.fail(1, 'second');
  assert.deepEqual(track.losses, []);
  track.connect(0);
  assert.equal(track.won, 'a');
});

test('cancelled, all attempts end and nobody is told', async () => {
  const track = new Track('a', 'b', 'c');
  await pause(BOUNDS.connectAttemptMs + 30);
  track.race.cancel();
  track.connect(0);
  track.fail(1, 'late');
  await pause(BOUNDS.connectAttemptMs + 30);
  assert.ok(track.sockets.every(({ destroyed }) => destroyed));
  assert.equal(track.sockets.length, 2);
  assert.deepEqual([track.won, track.losses, track.failed], [null, [], []]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientsConfig, OverloadConfig } from '../../../src/config/model.js';
import { ConnectionGate } from '../../../src/overload/connection-gate.js';
import { limitToMemory } from '../../../src/overload/memory-share.js';
import {
  CLOSE_REASONS,
  type CloseReason,
  createReadingsBuffer,
  Readings,
} from '../../../src/overload/readings.js';

const MB = 1024 * 1024;
const UNBOUNDED = { connectionsMax: null, connectionsPerAddressMax: null, exchangesMax: null };
const OVERLOAD = { descriptorsPercent: 70 } as OverloadConfig;

function createPair(
  clients: Partial<ClientsConfig> = {},
  overload: OverloadConfig | null = null,
): { gates: ConnectionGate[]; readings: Readings } {
  const readings = new Readings(createReadingsBuffer(2));
  const config = { overload, clients: { ...UNBOUNDED, ...clients }, workers: 2 };
  const gates = [0, 1].map((index) => new ConnectionGate({ config, index, readings }));
  return { gates, readings };
}

function countClosed(readings: Readings, reason: CloseReason): number {
  return readings.readClosed(0, CLOSE_REASONS.indexOf(reason));
}

const never = (): string => assert.fail('the address was asked for');

test('connections of all workers count together', () => {
  const { gates, readings } = createPair({ connectionsMax: 10 });
  gates[0]?.setOpen(3);
  gates[1]?.setOpen(7);
  assert.equal(gates[0]?.admits(never), true);
  gates[0]?.setOpen(4);
  assert.equal(gates[0]?.admits(never), false);
  assert.equal(countClosed(readings, 'connections'), 1);
  readings.reclaim(1);
  assert.equal(gates[0]?.admits(never), true, 'what a worker had that has ended is gone');
});

test('descriptors: what was opened since they were counted is counted too', () => {
  const { gates, readings } = createPair({}, OVERLOAD);
  const process = { rssBytes: 0, memoryLimitBytes: 0, descriptorsMax: 100, connections: 50 };
  readings.writeProcess({ ...process, descriptors: 80 });
  gates[0]?.setOpen(50);
  assert.equal(gates[0]?.admits(never), true);
  gates[0]?.setOpen(59);
  assert.equal(gates[0]?.admits(never), true, 'below 90 of 100, the last step');
  gates[0]?.setOpen(61);
  assert.equal(gates[0]?.admits(never), false);
  assert.equal(countClosed(readings, 'descriptors'), 1);
});

test('who has too many gets no more; others do, and so does that one when the primary says so', () => {
  const { gates, readings } = createPair();
  gates[0]?.setCrowded(['10.0.0.1']);
  assert.equal(
    gates[0]?.admits(() => '10.0.0.1'),
    false,
  );
  assert.equal(
    gates[0]?.admits(() => '10.0.0.2'),
    true,
  );
  gates[0]?.setCrowded([]);
  assert.equal(gates[0]?.admits(never), true);
  assert.equal(countClosed(readings, 'address'), 1);
});

test('bodies may take an eighth of the memory, shared out, and always one of the largest', () => {
  assert.equal(limitToMemory(512 * MB, 0, 4), 512 * MB);
  assert.equal(limitToMemory(512 * MB, 64 * 1024 * MB, 4), 512 * MB);
  assert.equal(limitToMemory(512 * MB, 2048 * MB, 4), 64 * MB);
  assert.equal(limitToMemory(512 * MB, 256 * MB, 16), 32 * MB);
});

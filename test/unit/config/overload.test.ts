import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatEffective } from '../../../src/config/effective.js';
import { FULL, MINIMAL, parse } from '../../helpers/config-files.js';
import { BASE, refusalsOf } from '../../helpers/config-refusals.js';

const GB = 2 ** 30;

test('overload and clients, every field', () => {
  const config = parse(FULL, { PORT: '443' });
  assert.deepEqual(config.overload, {
    loopLagMs: 20,
    heapPercent: 80,
    memoryPercent: 85,
    memoryLimitBytes: 1.5 * GB,
    descriptorsPercent: 95,
    retryAfterMs: 2000,
  });
  assert.deepEqual(config.clients, {
    connectionsMax: 500,
    connectionsPerAddressMax: 50,
    exchangesMax: 100,
  });
});

test('a consumer’s own priority goes before its tier’s, and normal is what is not said', () => {
  const config = parse(`${MINIMAL}
tiers: { gold: { priority: high }, plain: {} }
consumers:
  a: { keys: [wk-a], tier: gold }
  b: { keys: [wk-b], tier: gold, priority: low }
  c: { keys: [wk-c], tier: plain }
  d: { keys: [wk-d] }
`);
  assert.deepEqual(
    config.consumers?.map(({ priority }) => priority),
    ['high', 'low', 'normal', 'normal'],
  );
  const shown = parse(formatEffective(config));
  assert.deepEqual(
    shown.consumers?.map(({ priority }) => priority),
    ['high', 'low', 'normal', 'normal'],
    '`weir check` says so, although tiers are folded in',
  );
});

test('`weir check` says all of it', () => {
  for (const text of [
    'overload: off',
    'overload: { memory_limit: 300mb, loop_lag: 1.5s }\nclients: { exchanges: 1 }',
    'clients: { connections: 10, connections_per_address: 3 }',
  ]) {
    const config = parse(`${MINIMAL}\n${text}\n`);
    assert.deepEqual(parse(formatEffective(config)), config);
  }
  assert.equal(parse(`${MINIMAL}\noverload: off\n`).overload, null);
});

test('what is refused, and how it reads', () => {
  const refused: Readonly<Record<string, string[]>> = {
    'overload: on': ['w.yaml:5:11: overload: expected off or a mapping; got "on"'],
    'overload: { loop_lag: 20 }': [
      'w.yaml:5:23: overload.loop_lag: expected a duration such as 500ms, 30s, 1m, 1h or 1d, from 1ms to 10s; got 20',
    ],
    'overload: { heap: 0 }': [
      'w.yaml:5:19: overload.heap: expected a whole number from 1 to 100; got 0',
    ],
    'overload: { memory_limit: 10mb }': [
      'w.yaml:5:27: overload.memory_limit: expected a size such as 64mb or 1gb, from 64mb to 1024gb; got "10mb"',
    ],
    'clients: { exchanges: 0 }': [
      'w.yaml:5:23: clients.exchanges: expected a whole number from 1 to 1000000; got 0',
    ],
    'tiers: { t: { priority: hihg } }': [
      'w.yaml:5:25: tiers.t.priority: expected one of high, normal, low; got "hihg". Did you mean "high"?',
    ],
  };
  for (const [line, expected] of Object.entries(refused)) {
    assert.deepEqual(refusalsOf(`${BASE}${line}\n`), expected, line);
  }
});

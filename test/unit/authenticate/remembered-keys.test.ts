import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RememberedKeys } from '../../../src/authenticate/remembered-keys.js';

test('what was added is found, and nothing that looks like it, however many there are', () => {
  const keys = new RememberedKeys();
  for (let number = 0; number < 20_000; number += 1) keys.add(`Bearer wk-${number}`, number);
  assert.equal(keys.size, 20_000);
  for (let number = 0; number < 20_000; number += 1) {
    assert.equal(keys.get(`Bearer wk-${number}`), number);
    assert.equal(keys.get(`Bearer wk-${number} `), -1);
    assert.equal(keys.get(`Bearer wK-${number}`), -1);
  }
  assert.equal(keys.get(''), -1);
});

test('a character beyond Latin-1 is not taken for the byte that it would be cut to', () => {
  const keys = new RememberedKeys();
  keys.add('wk-\xe9', 1);
  keys.add('wk-\u01e8', 2);
  assert.equal(keys.get('wk-\xe9'), 1);
  assert.equal(keys.get('wk-\u01e9'), -1);
  assert.equal(keys.get('wk-\u01e8'), -1);
});

test('it answers as a Map does', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '\0', '\xff'), maxLength: 6 });
  fc.assert(
    fc.property(fc.array(text, { maxLength: 400 }), (texts) => {
      const keys = new RememberedKeys();
      const map = new Map<string, number>();
      texts.forEach((one, index) => {
        assert.equal(keys.get(one), map.get(one) ?? -1);
        if (map.has(one)) return;
        keys.add(one, index);
        map.set(one, index);
      });
      for (const [one, number] of map) assert.equal(keys.get(one), number);
      assert.equal(keys.size, map.size);
    }),
  );
});

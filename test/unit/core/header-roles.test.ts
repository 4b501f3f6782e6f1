/** What names of headers mean, and that it does not hang on what came before them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import {
  CREDENTIAL,
  findHeaderName,
  HOP_BY_HOP,
  HOST,
  ILLEGAL,
  ORDINARY,
  OWN,
  TIMEOUT,
} from '../../../src/core/header-roles.js';

const NAMES: readonly (readonly [name: string, role: number])[] = [
  ['host', HOST],
  ['hos', ORDINARY],
  ['hosts', ORDINARY],
  ['authorization', CREDENTIAL],
  ['x-api-key', CREDENTIAL],
  ['api-key', CREDENTIAL],
  ['te', HOP_BY_HOP],
  ['x-weir-', OWN],
  ['x-weir-id', OWN],
  ['x-weir-timeout', TIMEOUT],
  ['x-weird', ORDINARY],
  ["!#$%&'*+-.^`|~0a", ORDINARY],
  ['constructor', ORDINARY],
  ['', ILLEGAL],
  ['x_a', ILLEGAL],
  ['Host', ILLEGAL],
  ['x: ', ILLEGAL],
  ['\r\nx', ILLEGAL],
  ['x\n', ILLEGAL],
  ['é', ILLEGAL],
  ['n'.repeat(BOUNDS.rememberedNameBytesMax + 1), ORDINARY],
];

test('a name means something else where another stood before it, or at another position', () => {
  const positions = [0, 1, BOUNDS.headerCountMax - 1, BOUNDS.headerCountMax, 10_000];
  for (const position of positions) {
    for (const [before] of NAMES) {
      for (const [name, role] of NAMES) {
        findHeaderName(before, position);
        for (const found of [findHeaderName(name, position), findHeaderName(name, position)]) {
          const expected = { name, role, lineStart: `\r\n${name}: ` };
          assert.deepEqual(found, expected, `${JSON.stringify(name)} after ${before}`);
        }
      }
    }
  }
});

test('a name of any length is remembered', () => {
  const name = 'x'.repeat(BOUNDS.rememberedNameBytesMax);
  assert.equal(findHeaderName(name, 3), findHeaderName(name, 3));
  assert.notEqual(findHeaderName(`${name}x`, 3), findHeaderName(`${name}x`, 3));
});

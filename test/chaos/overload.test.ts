/** P-21 in short: more arrives than the gateway can do; see scenarios/overload.ts for the long form. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { skipUnless } from '../helpers/need.js';
import { hasNativeLoad } from './native-load.js';
import { overload } from './scenarios/overload.js';

const what = 'cc, taskset and setpriv';

it('P-21 under more than it can do the gateway fails requests instead of refusing them, or grows', {
  timeout: 120_000,
  skip: skipUnless(hasNativeLoad, what),
}, async (context) => {
  const say = (line: string): void => context.diagnostic(line);
  const { figures } = await overload.run({ seconds: 3, seed: 1, say });
  for (const { what: name, measured, bound } of figures) say(`${name}: ${measured} ${bound}`);
  const failing = figures.filter(({ holds }) => holds === false);
  assert.deepEqual(failing, []);
});

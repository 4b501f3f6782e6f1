/**
 * P-27: a new server takes the place of the old one without a lost request. The kernel keeps connections that just come
 * in only with net.ipv4.tcp_migrate_req, so this file runs itself in a namespace where that is set.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { proxyConfig, startGateway } from '../helpers/gateway.js';
import { LastingLoad } from '../helpers/lasting-load.js';
import { startLoadUpstream } from '../helpers/load.js';
import { skipUnless } from '../helpers/need.js';
import {
  canMakeNamespace,
  isInNamespace,
  NAMESPACE_NEEDS,
  runInNamespace,
} from '../helpers/network-namespace.js';
import { upgradeGateway } from '../helpers/upgrade.js';

const SHAPE = { events: 30, paceMs: 30 };
const HAND_OVERS = 5;

if (isInNamespace) {
  describe('upgrade', () => {
    it('P-27 upgrade-loses-a-request', async (context) => {
      const upstream = await startLoadUpstream(SHAPE);
      const gateway = await startGateway({ config: proxyConfig(upstream.baseUrl) });
      const load = new LastingLoad({
        port: gateway.port,
        askers: 20,
        readers: 10,
        shape: SHAPE,
        pauseMsMax: 40,
      });
      try {
        await load.waitFor(100, 10_000);
        for (let count = 0; count < HAND_OVERS; count += 1) {
          await upgradeGateway(gateway);
          await load.waitFor(load.answered + load.streamed + 50, 10_000);
        }
        await load.stop();
        context.diagnostic(
          `${load.answered} answers, ${load.streamed} streams, ${load.connected} connections, slowest ${load.slowestMs.toFixed(0)} ms`,
        );
        assert.deepEqual(load.failures, []);
        assert.deepEqual(upstream.violations, []);
        await gateway.stop();
        assert.equal(gateway.stderr, '');
      } finally {
        await load.stop();
        await gateway.kill();
        await upstream.stop();
      }
    });
  });
} else {
  const skip = skipUnless(canMakeNamespace(), NAMESPACE_NEEDS);
  it('P-27 upgrade-loses-a-request, in a network namespace', { skip }, async (context) => {
    const { code, output } = await runInNamespace(fileURLToPath(import.meta.url));
    context.diagnostic(output);
    assert.equal(code, 0, output);
  });
}

/** The process helper, tried on a stand-in for dist/main.js that does what the real one promises. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startGateway } from '../../helpers/gateway.js';
import { sumMetric } from '../../helpers/metrics-text.js';

const STAND_IN = `
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
const config = JSON.parse(readFileSync(process.argv[3], 'utf8'));
const log = (line) => console.log(JSON.stringify(line));
const server = createServer((request, response) => {
  response.end('weir_workers ' + config.workers + '\\n');
  log({ msg: 'exchange', ended: { by: 'downstream', phase: 'done', reason: 'complete' } });
});
if (process.env.FAIL) { console.error('port in use'); process.exit(2); }
server.listen(0, '127.0.0.1', () => {
  const address = '127.0.0.1:' + server.address().port;
  log({ msg: 'ready', listen: address, admin: address });
});
process.on('SIGTERM', () => { server.closeAllConnections(); server.close(() => process.exit(Number(process.env.CODE ?? 0))); });
`;

describe('gateway process', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'weir-stand-in-'));
    writeFileSync(join(folder, 'main.mjs'), STAND_IN);
    process.env['WEIR_MAIN'] = join(folder, 'main.mjs');
  });
  after(() => {
    delete process.env['WEIR_MAIN'];
    rmSync(folder, { recursive: true });
  });

  it('starts, is watched and ends with 0', async () => {
    const gateway = await startGateway({ config: {}, workers: 3 });
    assert.equal(sumMetric(await gateway.metrics(), 'weir_workers'), 3);
    assert.equal((await gateway.waitForAccessLines(1)).length, 1);
    assert.ok(gateway.rssBytes() > 10 << 20);
    await gateway.stop();
    assert.deepEqual(gateway.strayLines, []);
  });

  it('fails a stop that ends with another code', async () => {
    const gateway = await startGateway({ config: {}, env: { CODE: '3' } });
    await assert.rejects(gateway.stop(), /exit of the gateway/);
  });

  it('says why a gateway did not start', async () => {
    await assert.rejects(startGateway({ config: {}, env: { FAIL: '1' } }), /port in use/);
  });
});

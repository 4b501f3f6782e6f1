/** Bifrost's HTTP gateway with a file for configuration, and without its stores of logs and settings, which write each request to a database. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { findFreePort, start } from '../processes.js';
import { makeScratchDir } from '../proxies.js';
import { findInstalled, PINNED } from './cache.js';
import { serve } from './rival.js';

/** @param {number} mockPort */
const renderConfig = (mockPort) =>
  JSON.stringify({
    client: { enable_logging: false, drop_excess_requests: false, initial_pool_size: 1000 },
    config_store: { enabled: false },
    logs_store: { enabled: false },
    providers: {
      openai: {
        keys: [{ name: 'bench', value: 'bench', models: ['*'], weight: 1 }],
        network_config: { base_url: `http://127.0.0.1:${mockPort}`, max_retries: 0 },
      },
    },
  });

function findProgram() {
  return process.env['BIFROST_BIN'] ?? findInstalled('bifrost');
}

/** @type {import('./rival.js').Rival} */
export const bifrost = {
  name: 'bifrost',
  answer: 'rewritten',
  connections: 64,
  streams: 50,
  isSlow: false,
  findVersion() {
    findProgram();
    return process.env['BIFROST_BIN'] === undefined ? PINNED.bifrost : 'from BIFROST_BIN';
  },
  // Its unified interface takes the provider's name in front of the model's.
  call: () => ({ path: '/v1/chat/completions', headers: {}, model: 'openai/gpt-4o' }),
  async start(setup) {
    const port = await findFreePort();
    const dir = makeScratchDir();
    writeFileSync(path.join(dir, 'config.json'), renderConfig(setup.mockPort));
    const args = ['-app-dir', dir, '-host', '127.0.0.1', '-port', String(port)];
    const started = start(findProgram(), [...args, '-log-level', 'error'], {
      cpu: setup.cpu,
      cwd: dir,
      env: { GOMAXPROCS: String(setup.workers) },
    });
    return serve(bifrost, setup, port, started, 30_000);
  },
};

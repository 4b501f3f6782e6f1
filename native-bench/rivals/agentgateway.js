/** agentgateway with one model of an OpenAI provider, where a build is at hand: AGENTGATEWAY_BIN. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { OPENAI_CALL } from '../load.js';
import { findFreePort, start } from '../processes.js';
import { makeScratchDir } from '../proxies.js';
import { askVersion, readProgramVariable, serve } from './rival.js';

/** @param {number} port @param {number} adminPort @param {number} statsPort @param {number} readinessPort @param {number} mockPort */
const renderConfig = (port, adminPort, statsPort, readinessPort, mockPort) => `config:
  adminAddr: 127.0.0.1:${adminPort}
  statsAddr: 127.0.0.1:${statsPort}
  readinessAddr: 127.0.0.1:${readinessPort}
  logging: { level: error }
llm:
  port: ${port}
  models:
    - name: "*"
      provider: openAI
      params:
        apiKey: bench
        baseUrl: "http://127.0.0.1:${mockPort}/v1"
`;

/** @type {import('./rival.js').Rival} */
export const agentgateway = {
  name: 'agentgateway',
  answer: 'rewritten',
  connections: 64,
  streams: 100,
  isSlow: false,
  findVersion: () => askVersion(readProgramVariable('AGENTGATEWAY_BIN'), ['--version']),
  call: () => OPENAI_CALL,
  async start(setup) {
    const program = readProgramVariable('AGENTGATEWAY_BIN');
    const [port, adminPort, statsPort, readinessPort] = [
      await findFreePort(),
      await findFreePort(),
      await findFreePort(),
      await findFreePort(),
    ];
    const dir = makeScratchDir();
    const file = path.join(dir, 'config.yaml');
    writeFileSync(file, renderConfig(port, adminPort, statsPort, readinessPort, setup.mockPort));
    const started = start(program, ['-f', file], {
      cpu: setup.cpu,
      cwd: dir,
      env: { WORKER_THREADS: String(setup.workers) },
    });
    return serve(agentgateway, setup, port, started);
  },
};

/** LiteLLM's proxy, set up as its own documentation of load tests and of production says, and asked for no key, like all here. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { OPENAI_CALL } from '../load.js';
import { findFreePort, start } from '../processes.js';
import { makeScratchDir } from '../proxies.js';
import { findInstalled, LeftOutError, PINNED } from './cache.js';
import { serve } from './rival.js';

/** The provider openai/ and not the custom/ of the published comparison, which is of another format. @param {number} mockPort */
const renderConfig = (mockPort) => `model_list:
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_base: http://127.0.0.1:${mockPort}/v1
      api_key: bench
litellm_settings:
  callbacks: []
  num_retries: 0
  request_timeout: 600
`;

/** Python imports for seconds, on a busy machine for many. */
const START_MS = 60_000;

/** @type {import('./rival.js').Rival} */
export const litellm = {
  name: 'litellm',
  answer: 'rewritten',
  connections: 16,
  streams: 5,
  isSlow: true,
  findVersion() {
    findInstalled('litellm');
    return PINNED.litellm;
  },
  call: () => OPENAI_CALL,
  async start(setup) {
    const program = findInstalled('litellm');
    const port = await findFreePort();
    const dir = makeScratchDir();
    const file = path.join(dir, 'config.yaml');
    writeFileSync(file, renderConfig(setup.mockPort));
    const numbers = ['--port', String(port), '--num_workers', String(setup.workers)];
    const started = start(program, ['--config', file, '--host', '127.0.0.1', ...numbers], {
      cpu: setup.cpu,
      cwd: dir,
      env: {
        LITELLM_LOG: 'ERROR',
        LITELLM_MODE: 'PRODUCTION',
        // Its list of prices comes with it; without this it asks for a newer one over the network first.
        LITELLM_LOCAL_MODEL_COST_MAP: 'True',
        // It would not start without a key otherwise. To check none spares it work that the others do not do either.
        LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY: 'true',
      },
    });
    try {
      return await serve(litellm, setup, port, started, START_MS);
    } catch (error) {
      throw error instanceof LeftOutError ? error : new LeftOutError(String(error));
    }
  },
};

/**
 * Portkey's open gateway, started as its image starts it, and asked at its route for chats: the published comparison
 * asked at /v1/chat, which it has no handler for and only passes through.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { findFreePort, start } from '../processes.js';
import { makeScratchDir } from '../proxies.js';
import { findInstalled } from './cache.js';
import { serve } from './rival.js';

/** @type {import('./rival.js').Rival} */
export const portkey = {
  name: 'portkey',
  answer: 'as it is',
  connections: 64,
  streams: 50,
  isSlow: true,
  findVersion: () =>
    JSON.parse(readFileSync(path.join(findInstalled('portkey'), 'package.json'), 'utf8')).version,
  call: (mockPort) => ({
    path: '/v1/chat/completions',
    headers: {
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `http://127.0.0.1:${mockPort}/v1`,
    },
    model: 'gpt-4o',
  }),
  async start(setup) {
    const port = await findFreePort();
    const program = path.join(findInstalled('portkey'), 'build/start-server.js');
    // Headless leaves out its page of logs, for which it would keep every request and answer.
    const started = start(process.execPath, [program, `--port=${port}`, '--headless'], {
      cpu: setup.cpu,
      cwd: makeScratchDir(),
      env: { NODE_ENV: 'production' },
    });
    return serve(portkey, setup, port, started);
  },
};

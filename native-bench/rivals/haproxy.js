/** HAProxy, the other proxy that everyone has: no gateway, so it does less than the others, and shows the floor. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { OPENAI_CALL } from '../load.js';
import { findFreePort, start } from '../processes.js';
import { makeScratchDir } from '../proxies.js';
import { askVersion, serve } from './rival.js';

/** As nginx here: connections kept and shared on both sides, no log, events passed on at once. @param {number} port @param {number} mockPort @param {number} threads */
const renderConfig = (port, mockPort, threads) => `global
  nbthread ${threads}
  maxconn 8192
defaults
  mode http
  option http-no-delay
  http-reuse always
  timeout connect 5s
  timeout client 600s
  timeout server 600s
frontend clients
  bind 127.0.0.1:${port}
  default_backend providers
backend providers
  server mock 127.0.0.1:${mockPort}
`;

/** @type {import('./rival.js').Rival} */
export const haproxy = {
  name: 'haproxy',
  answer: 'as it is',
  connections: 64,
  streams: 100,
  isSlow: false,
  findVersion: () => askVersion('haproxy', ['-v']),
  call: () => OPENAI_CALL,
  async start(setup) {
    const port = await findFreePort();
    const file = path.join(makeScratchDir(), 'haproxy.cfg');
    writeFileSync(file, renderConfig(port, setup.mockPort, setup.workers));
    return serve(haproxy, setup, port, start('haproxy', ['-db', '-f', file], { cpu: setup.cpu }));
  },
};

/**
 * Kong with its open AI plugin, where a build is at hand: KONG_BIN is its `kong` command. Set up as in its own published
 * comparison (no access log, keepalives of 100,000 requests), with ai-proxy, because ai-proxy-advanced is not open.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { findFreePort, start } from '../processes.js';
import { makeScratchDir } from '../proxies.js';
import { askVersion, readProgramVariable, serve } from './rival.js';

/** @param {number} mockPort */
const renderRoutes = (mockPort) => `_format_version: "3.0"
services:
  - name: llm
    host: localhost
    port: 8000
    protocol: http
    routes:
      - name: llm_route
        paths: [/llm_route]
        methods: [POST]
        plugins:
          - name: ai-proxy
            config:
              route_type: llm/v1/chat
              model:
                provider: openai
                name: gpt-4o
                options: { upstream_url: "http://127.0.0.1:${mockPort}/v1/chat/completions" }
`;

/** @param {string} dir @param {number} port @param {number} workers */
const renderConfig = (dir, port, workers) => `database = off
declarative_config = ${dir}/kong.yaml
prefix = ${dir}/prefix
proxy_listen = 127.0.0.1:${port}
admin_listen = off
admin_gui_listen = off
status_listen = off
nginx_daemon = off
nginx_worker_processes = ${workers}
proxy_access_log = off
proxy_error_log = ${dir}/error.log error
anonymous_reports = off
upstream_keepalive_max_requests = 100000
nginx_http_keepalive_requests = 100000
`;

/** @type {import('./rival.js').Rival} */
export const kong = {
  name: 'kong',
  answer: 'rewritten',
  connections: 64,
  streams: 100,
  isSlow: true,
  findVersion: () => askVersion(readProgramVariable('KONG_BIN'), ['version']),
  call: () => ({ path: '/llm_route', headers: {}, model: 'gpt-4o' }),
  async start(setup) {
    const program = readProgramVariable('KONG_BIN');
    const port = await findFreePort();
    const dir = makeScratchDir();
    const file = path.join(dir, 'kong.conf');
    writeFileSync(path.join(dir, 'kong.yaml'), renderRoutes(setup.mockPort));
    writeFileSync(file, renderConfig(dir, port, setup.workers));
    const started = start(program, ['start', '-c', file], { cpu: setup.cpu, cwd: dir });
    return serve(kong, setup, port, started, 30_000);
  },
};

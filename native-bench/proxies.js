/** The proxies under measurement: how each is configured and started. Every one does the same work on the same bodies. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { findFreePort, sleep, start, stop, waitForLine } from './processes.js';
import { answerBody, requestBody } from './requests.js';

/**
 * @typedef {object} Setup
 * @property {number} mockPort
 * @property {number} workers
 * @property {number | string | null} cpu the core it is pinned to, or a list of them; null: all
 */

/**
 * @typedef {object} Proxy
 * @property {number} port
 * @property {number} pid of the process whose tree is accounted
 * @property {() => Promise<void>} stop
 */

/**
 * @typedef {object} Contender
 * @property {'nginx' | 'weir' | 'weir-base'} name
 * @property {(setup: Setup) => Promise<Proxy>} start
 */

const scratchRoot = mkdtempSync(path.join(os.tmpdir(), 'weir-bench-'));
process.on('exit', () => rmSync(scratchRoot, { recursive: true, force: true }));
let scratchCount = 0;

/** Gone when the run ends. */
export function makeScratchDir() {
  const dir = path.join(scratchRoot, String(++scratchCount));
  mkdirSync(dir);
  return dir;
}

/**
 * nginx as someone would set it up who wants it fast: connections kept on both sides, no access log, no
 * delayed segments, and events passed on at once (proxy_buffering off, without which streams stall).
 * @param {Setup & { port: number, dir: string }} setup
 */
function renderNginxConfig({ mockPort, workers, port, dir }) {
  // Started by root it would hand its files to another user, who then cannot enter the scratch directory.
  const user = process.getuid?.() === 0 ? 'user root;\n' : '';
  return `${user}daemon off;
worker_processes ${workers};
worker_rlimit_nofile 16384;
pid ${dir}/nginx.pid;
error_log stderr error;
events { worker_connections 8192; }
http {
  access_log off;
  tcp_nodelay on;
  keepalive_timeout 300s;
  keepalive_requests 100000000;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  upstream mock {
    server 127.0.0.1:${mockPort};
    keepalive 2048;
    keepalive_requests 100000000;
    keepalive_timeout 300s;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location /v1/ {
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }
  }
}
`;
}

/** @type {Contender} */
export const nginx = {
  name: 'nginx',
  async start(setup) {
    const dir = makeScratchDir();
    const port = await findFreePort();
    const file = path.join(dir, 'nginx.conf');
    writeFileSync(file, renderNginxConfig({ ...setup, port, dir }));
    const started = start('nginx', ['-p', dir, '-c', file, '-e', 'stderr'], { cpu: setup.cpu });
    await waitUntilAnswering(port, started, 'nginx');
    return { port, pid: started.pid, stop: () => stop(started) };
  },
};

/** @param {{ mockPort: number, workers: number | 'auto', port: number, adminPort: number, consumers: string }} setup */
function renderWeirConfig({ mockPort, workers, port, adminPort, consumers }) {
  return `listen: 127.0.0.1:${port}
admin: 127.0.0.1:${adminPort}
workers: ${workers}
drain_timeout: 1s
log: { level: info, access: off }
providers:
  mock: { dialect: openai, base_url: "http://127.0.0.1:${mockPort}/v1" }
models:
  "*": { provider: mock }
${consumers}`;
}

/**
 * Starts Weir and waits for the line that says it listens. `readyMs` counts from the moment before the
 * process is made, as whoever waits for it would count.
 * @param {string} dir of the checkout
 * @param {{ mockPort: number, workers: number | 'auto', cpu: number | string | null, consumers?: string }} setup `consumers`:
 * more of the configuration; one of them has the key `bench`. Left out: nobody is asked for a key.
 */
export async function startWeir(dir, { mockPort, workers, cpu, consumers = '' }) {
  const port = await findFreePort();
  const adminPort = await findFreePort();
  const scratch = makeScratchDir();
  const file = path.join(scratch, 'weir.yaml');
  writeFileSync(file, renderWeirConfig({ mockPort, workers, port, adminPort, consumers }));
  const begun = performance.now();
  const started = start(process.execPath, [path.join(dir, 'dist/main.js'), '--config', file], {
    cpu,
    cwd: scratch,
  });
  const readyMs = await waitForLine(
    started,
    (line) => (isReadyLine(line) ? performance.now() - begun : null),
    {
      what: `Weir in ${dir}`,
      withinMs: 20_000,
    },
  );
  await waitUntilAnswering(port, started, 'Weir');
  return { port, pid: started.pid, readyMs, stop: () => stop(started, 5000) };
}

/** @param {string} line */
function isReadyLine(line) {
  try {
    return JSON.parse(line).msg === 'ready';
  } catch {
    return false;
  }
}

/** @param {'weir' | 'weir-base'} name @param {string} dir @returns {Contender} */
export function weirFrom(name, dir) {
  return { name, start: (setup) => startWeir(dir, setup) };
}

/**
 * Sends the benchmark's own request until it is answered, and compares the answer: a proxy that answers
 * with an error, or alters a byte, must not get as far as being measured.
 * @param {number} port
 * @param {import('./processes.js').Started} started
 * @param {string} what
 */
async function waitUntilAnswering(port, started, what) {
  let ended = false;
  started.ended.then(() => {
    ended = true;
  });
  for (const deadline = performance.now() + 10_000; ; await sleep(20)) {
    let response;
    try {
      response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: 'Bearer bench',
          connection: 'close',
        },
        body: requestBody,
        signal: AbortSignal.timeout(5000),
      });
    } catch (error) {
      if (ended || performance.now() > deadline)
        throw new Error(
          `${what} does not answer on port ${port}: ${error}\n${started.stderrTail()}`,
        );
      continue;
    }
    const body = await response.text();
    if (response.status !== 200 || body !== answerBody)
      throw new Error(
        `${what} answered ${response.status} and not the mock's body: ${body.slice(0, 500)}`,
      );
    return;
  }
}

/** The proxies under measurement: how each is configured and started. Every one does the same work on the same bodies. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { findFreePort, sleep, start, stop, waitForLine } from './processes.js';
import { answerBody, requestBody } from './requests.js';

/**
 * @typedef {object} Setup
 * @property {number} mockPort
 * @property {number} workers
 * @property {number | string | null} cpu the core it is pinned to, or a list of them; null: all
 * @property {Tls} [tls] left out: clear text on both sides
 */

/**
 * Where TLS is spoken. `upstream`: the mock's port speaks it; `listen`: the proxy does.
 * @typedef {{ upstream: boolean, listen: boolean, ca: string, cert: string, key: string }} Tls paths of PEM files
 */

/**
 * @typedef {object} Proxy
 * @property {number} port
 * @property {number} pid of the process whose tree is accounted
 * @property {() => Promise<void>} stop
 */

/**
 * @typedef {object} Contender
 * @property {'nginx' | 'weir' | 'weir-base' | 'floor'} name
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
function renderNginxConfig({ mockPort, workers, port, dir, tls }) {
  // Started by root it would hand its files to another user, who then cannot enter the scratch directory.
  const user = process.getuid?.() === 0 ? 'user root;\n' : '';
  const listenTls = tls?.listen ? renderNginxListenTls(tls) : '';
  const upstreamTls = tls?.upstream
    ? `proxy_ssl_verify on;
      proxy_ssl_trusted_certificate ${tls.ca};
      proxy_ssl_name localhost;
      proxy_ssl_server_name on;
      proxy_ssl_protocols TLSv1.3;`
    : '';
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
  # A prompt of a trace is then not written to disk first.
  client_body_buffer_size 256k;
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
    listen 127.0.0.1:${port}${tls?.listen ? ' ssl' : ''} backlog=4096;
    ${listenTls}
    location /v1/ {
      proxy_pass ${tls?.upstream ? 'https' : 'http'}://mock;
      ${upstreamTls}
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }
  }
}
`;
}

/** @param {Tls} tls */
function renderNginxListenTls({ cert, key }) {
  return `ssl_certificate ${cert};
    ssl_certificate_key ${key};
    ssl_protocols TLSv1.3;
    ssl_session_cache shared:bench:10m;`;
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
    await waitUntilAnswering(port, started, 'nginx', setup.tls);
    return { port, pid: started.pid, stop: () => stop(started) };
  },
};

/**
 * One provider that serves every name; connections kept as long as nginx keeps them.
 * @param {string} baseUrl
 */
function renderOneTarget(baseUrl) {
  return `providers:
  mock:
    dialect: openai
    base_url: "${baseUrl}"
    connections: { keep_alive: 300s }
models:
  "*": { provider: mock }
`;
}

/** @param {{ mockPort: number, workers: number | 'auto', port: number, adminPort: number, consumers: string, hasAccessLog: boolean, tls: Tls | undefined, renderTargets: (baseUrl: string) => string }} setup */
function renderWeirConfig(setup) {
  const { mockPort, workers, port, adminPort, consumers, hasAccessLog, tls, renderTargets } = setup;
  const listenTls = tls?.listen ? `, tls: { cert: ${tls.cert}, key: ${tls.key} }` : '';
  const scheme = tls?.upstream ? 'https' : 'http';
  return `listen: { host: 127.0.0.1, port: ${port}${listenTls} }
admin: 127.0.0.1:${adminPort}
workers: ${workers}
drain_timeout: 1s
log: { level: info, access: ${hasAccessLog ? 'on' : 'off'} }
${renderTargets(`${scheme}://127.0.0.1:${mockPort}/v1`)}${consumers}`;
}

/**
 * Starts Weir and waits for the line that says it listens. `readyMs` counts from the moment before the
 * process is made, as whoever waits for it would count.
 * @param {string} dir of the checkout
 * @param {{ mockPort: number, workers: number | 'auto', cpu: number | string | null, consumers?: string, accessLog?: boolean, tls?: Tls, renderTargets?: (baseUrl: string) => string }} setup
 * `consumers`: more of the configuration; one of them has the key `bench`. Left out: nobody is asked for a key.
 * `renderTargets`: providers and models, over the mock's base URL, in place of one provider for all names.
 * `accessLog`: a line for each exchange, to a file.
 */
export async function startWeir(
  dir,
  {
    mockPort,
    workers,
    cpu,
    consumers = '',
    accessLog = false,
    tls,
    renderTargets = renderOneTarget,
  },
) {
  const port = await findFreePort();
  const adminPort = await findFreePort();
  const scratch = makeScratchDir();
  const file = path.join(scratch, 'weir.yaml');
  const hasAccessLog = accessLog;
  const shared = { mockPort, workers, port, adminPort, consumers, hasAccessLog };
  const config = { ...shared, tls, renderTargets };
  writeFileSync(file, renderWeirConfig(config));
  const logFile = path.join(scratch, 'weir.log');
  const begun = performance.now();
  const started = start(process.execPath, [path.join(dir, 'dist/main.js'), '--config', file], {
    cpu,
    cwd: scratch,
    ...(tls === undefined ? {} : { env: { NODE_EXTRA_CA_CERTS: tls.ca } }),
    ...(accessLog ? { stdoutFile: logFile } : {}),
  });
  const limits = { what: `Weir in ${dir}`, withinMs: 60_000 };
  if (accessLog) await waitForReadyIn(logFile, started, limits);
  else await waitForLine(started, (line) => (isReadyLine(line) ? true : null), limits);
  const readyMs = performance.now() - begun;
  await waitUntilAnswering(port, started, 'Weir', tls);
  return { port, adminPort, logFile, pid: started.pid, readyMs, stop: () => stop(started, 5000) };
}

/** @param {string} file @param {import('./processes.js').Started} started @param {{ what: string, withinMs: number }} limits */
async function waitForReadyIn(file, started, { what, withinMs }) {
  const deadline = performance.now() + withinMs;
  while (!existsSync(file) || !readFileSync(file, 'utf8').split('\n').some(isReadyLine)) {
    if (performance.now() > deadline)
      throw new Error(`${what}: not ready within ${withinMs} ms\n${started.stderrTail()}`);
    await sleep(20);
  }
}

/** @param {string} line */
function isReadyLine(line) {
  try {
    return JSON.parse(line).msg === 'ready';
  } catch {
    return false;
  }
}

const floorProgram = fileURLToPath(new URL('floor.js', import.meta.url));

/** What uWebSockets.js and Node's sockets cost with nothing between them; for JSON answers only. @type {Contender} */
export const floor = {
  name: 'floor',
  async start({ mockPort, cpu }) {
    const port = await findFreePort();
    const args = [floorProgram, String(port), String(mockPort)];
    const started = start(process.execPath, args, { cpu });
    await waitUntilAnswering(port, started, 'the floor');
    return { port, pid: started.pid, stop: () => stop(started) };
  },
};

/** @param {'weir' | 'weir-base'} name @param {string} dir @returns {Contender} */
export function weirFrom(name, dir) {
  return { name, start: (setup) => startWeir(dir, setup) };
}

/** @param {number} port @param {Tls} [tls] @returns {Promise<{ status: number | undefined, body: string }>} */
function askOnce(port, tls) {
  const headers = {
    'content-type': 'application/json',
    'content-length': requestBody.length,
    authorization: 'Bearer bench',
    connection: 'close',
  };
  const path = '/v1/chat/completions';
  const options = { host: '127.0.0.1', port, path, method: 'POST', headers, timeout: 5000 };
  return new Promise((resolve, reject) => {
    const request = tls?.listen
      ? https.request({ ...options, ca: readFileSync(tls.ca), servername: 'localhost' })
      : http.request(options);
    request.on('error', reject);
    request.on('timeout', () => request.destroy(new Error('no answer within 5 s')));
    request.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text) => {
        body += text;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode, body }));
    });
    request.end(requestBody);
  });
}

/**
 * Sends the benchmark's own request until it is answered, and compares the answer: a proxy that answers
 * with an error, or alters a byte, must not get as far as being measured.
 * @param {number} port
 * @param {import('./processes.js').Started} started
 * @param {string} what
 * @param {Tls} [tls]
 */
async function waitUntilAnswering(port, started, what, tls) {
  let ended = false;
  started.ended.then(() => {
    ended = true;
  });
  for (const deadline = performance.now() + 10_000; ; await sleep(20)) {
    let response;
    try {
      response = await askOnce(port, tls);
    } catch (error) {
      if (ended || performance.now() > deadline)
        throw new Error(
          `${what} does not answer on port ${port}: ${error}\n${started.stderrTail()}`,
        );
      continue;
    }
    const { status, body } = response;
    if (status !== 200 || body !== answerBody)
      throw new Error(`${what} answered ${status} and not the mock's body: ${body.slice(0, 500)}`);
    return;
  }
}

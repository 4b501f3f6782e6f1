/**
 * nginx and HAProxy of Debian, set up plainly in front of one upstream, for runs that compare. Timeouts on slow clients
 * are set to 10 s, which is what uWebSockets.js gives them; all else is as it comes.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findClosedPort } from './mock-upstream.js';
import { pollUntil } from './poll.js';

const SBIN = '/usr/sbin';
const PATH = `${process.env['PATH'] ?? ''}:${SBIN}`;

export type RivalName = 'nginx' | 'haproxy';

interface Setup {
  readonly file: string;
  render(folder: string, port: number, upstreamPort: number): string;
  command(file: string, folder: string): readonly [string, ...string[]];
  readonly versionArgs: readonly string[];
}

const NGINX: Setup = {
  file: 'nginx.conf',
  render: (folder, port, upstreamPort) => `
worker_processes 1;
daemon off;
pid ${folder}/nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  client_header_timeout 10s;
  client_body_timeout 10s;
  client_max_body_size 32m;
  client_body_temp_path ${folder}/bodies;
  proxy_temp_path ${folder}/answers;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  upstream echo { server 127.0.0.1:${upstreamPort}; keepalive 64; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://echo;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`,
  command: (file, folder) => ['nginx', '-p', folder, '-c', file, '-e', 'stderr'],
  versionArgs: ['-v'],
};

const HAPROXY: Setup = {
  file: 'haproxy.cfg',
  render: (_folder, port, upstreamPort) => `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 10s
  timeout server 10s
  timeout http-request 10s
frontend clients
  bind 127.0.0.1:${port}
  default_backend echo
backend echo
  server echo 127.0.0.1:${upstreamPort}
`,
  command: (file) => ['haproxy', '-db', '-f', file],
  versionArgs: ['-v'],
};

const SETUPS: Readonly<Record<RivalName, Setup>> = { nginx: NGINX, haproxy: HAPROXY };

export class RivalProxy {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #folder: string;
  #hasEnded = false;
  stderr = '';

  private constructor(port: number, child: ChildProcess, folder: string) {
    this.port = port;
    this.#child = child;
    this.#folder = folder;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-4096);
    });
    child.on('close', () => {
      this.#hasEnded = true;
    });
  }

  static async start(name: RivalName, upstreamPort: number): Promise<RivalProxy> {
    const setup = SETUPS[name];
    const folder = mkdtempSync(join(tmpdir(), `weir-${name}-`));
    const port = await findClosedPort();
    const file = join(folder, setup.file);
    writeFileSync(file, setup.render(folder, port, upstreamPort));
    const [program, ...args] = setup.command(file, folder);
    const child = spawn(program, args, {
      env: { ...process.env, PATH },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const proxy = new RivalProxy(port, child, folder);
    await pollUntil(
      () => proxy.#hasEnded || isListening(port),
      5000,
      () => `${name} to listen: ${proxy.stderr}`,
    );
    if (proxy.#hasEnded) throw new Error(`${name} ended: ${proxy.stderr}`);
    return proxy;
  }

  get isRunning(): boolean {
    return !this.#hasEnded;
  }

  /** Ends at once: its connections are those of a run that is over. */
  async stop(): Promise<void> {
    if (!this.#hasEnded) this.#child.kill('SIGTERM');
    await pollUntil(
      () => this.#hasEnded,
      5000,
      () => 'the end of a proxy',
    ).catch(() => this.#child.kill('SIGKILL'));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Such as `nginx/1.22.1`. */
export function readRivalVersion(name: RivalName): string {
  const { stdout, stderr } = spawnSync(name, [...SETUPS[name].versionArgs], {
    encoding: 'utf8',
    env: { ...process.env, PATH },
  });
  const text = `${stdout}${stderr}`;
  return /nginx\/[\w.]+/.exec(text)?.[0] ?? /HAProxy version ([\w.]+)/.exec(text)?.[1] ?? 'unknown';
}

async function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** HAProxy as a balancer of connections, which puts a header in front of each. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findClosedPort } from './mock-upstream.js';
import { pollUntil } from './poll.js';

export const HEALTH_PATH = '/health';

function render(port: number, serverPort: number, words: string, healthPath: string): string {
  return `global
  nbthread 1
  maxconn 512
defaults
  mode tcp
  timeout connect 5s
  timeout client 10s
  timeout server 10s
frontend clients
  bind 127.0.0.1:${port}
  unique-id-format %pid-%rt
  default_backend weir
backend weir
  option httpchk
  http-check send meth GET uri ${healthPath} ver HTTP/1.1 hdr host weir.test
  server weir 127.0.0.1:${serverPort} check inter 200 ${words}
`;
}

export interface Balancer {
  readonly port: number;
  stop(): Promise<void>;
}

/** @param words of HAProxy's line `server`, such as `send-proxy-v2`. */
export async function startBalancer(
  serverPort: number,
  words: string,
  healthPath = HEALTH_PATH,
): Promise<Balancer> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-balancer-'));
  const port = await findClosedPort();
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, render(port, serverPort, words, healthPath));
  const child = spawn('haproxy', ['-db', '-q', '-f', file], {
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-4096);
  });
  const stop = async (): Promise<void> => {
    await end(child);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await pollUntil(
      () => child.exitCode !== null || isOpen(port),
      5000,
      () => `HAProxy to listen: ${stderr}`,
    );
    if (child.exitCode !== null) throw new Error(`HAProxy ended: ${stderr}`);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, stop };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGKILL');
  await ended;
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

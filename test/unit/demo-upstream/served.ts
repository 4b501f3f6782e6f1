/** A simulated LLM for the tests of one file; a defect of it fails the test that saw it. */
import net from 'node:net';
import { after } from 'node:test';
import { type DemoUpstream, startDemoUpstream } from '../../../src/demo-upstream/demo-upstream.js';

export function serveForTests(): { upstream: DemoUpstream; url: string } {
  const upstream = startDemoUpstream({
    host: '127.0.0.1',
    port: 0,
    onFault(error) {
      throw error;
    },
  });
  after(() => upstream.close());
  return { upstream, url: `http://127.0.0.1:${upstream.port}` };
}

export interface RawAnswer {
  readonly text: string;
  /** How the server ended the connection; `open` if it had not when the time was over. */
  readonly end: 'fin' | 'reset' | 'open';
}

/** Sends one POST on a socket of its own and reads until the connection ends or `observedMs` are over. */
export function postRaw(
  port: number,
  target: string,
  body: string,
  observedMs: number,
): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    let text = '';
    const finish = (end: RawAnswer['end']): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text, end });
    };
    const timer = setTimeout(() => finish('open'), observedMs);
    socket.on('data', (data) => {
      text += data.toString('latin1');
    });
    socket.on('end', () => finish('fin'));
    socket.on('error', () => finish('reset'));
    socket.write(
      `POST ${target} HTTP/1.1\r\nhost: demo\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  });
}

export async function waitUntil(isTrue: () => boolean, limitMs = 1000): Promise<void> {
  for (let waited = 0; !isTrue(); waited += 5) {
    if (waited > limitMs) {
      throw new Error(`not so within ${limitMs} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

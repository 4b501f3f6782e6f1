/** Asks a gateway over many kept connections at once and counts the answers by their status. */
import net from 'node:net';
import { requestBody } from '../requests.js';

const HEAD_END = Buffer.from('\r\n\r\n');

/** @param {number} port @returns {Promise<net.Socket>} */
function connect(port) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

/**
 * One request and its answer. @param {net.Socket} socket @param {Buffer} request
 * @returns {Promise<number>} the status
 */
function ask(socket, request) {
  return new Promise((resolve, reject) => {
    let seen = Buffer.alloc(0);
    const end = (/** @type {() => void} */ tell) => {
      socket.removeAllListeners();
      tell();
    };
    socket.on('error', (error) => end(() => reject(error)));
    socket.on('close', () => end(() => reject(new Error('closed before the answer'))));
    socket.on('data', (chunk) => {
      seen = Buffer.concat([seen, chunk]);
      const headEnd = seen.indexOf(HEAD_END);
      if (headEnd < 0) return;
      const head = seen.toString('latin1', 0, headEnd).toLowerCase();
      const length = /\r\ncontent-length: (\d+)/.exec(head)?.[1];
      if (length === undefined) end(() => reject(new Error(`an answer without a length: ${head}`)));
      else if (seen.length >= headEnd + HEAD_END.length + Number(length))
        end(() => resolve(Number(head.slice(9, 12))));
    });
    socket.write(request);
  });
}

/**
 * @param {{ port: number, key: string, connections: number, requests: number }} load `requests`: on each connection
 * @returns {Promise<{ statuses: Record<string, number>, seconds: number }>} `seconds`: from the first to the last
 */
export async function askMany({ port, key, connections, requests }) {
  const request = Buffer.from(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${key}\r\n` +
      `content-type: application/json\r\ncontent-length: ${requestBody.length}\r\n\r\n${requestBody}`,
  );
  const sockets = await Promise.all(Array.from({ length: connections }, () => connect(port)));
  /** @type {Record<string, number>} */
  const statuses = {};
  const begun = performance.now();
  await Promise.all(
    sockets.map(async (socket) => {
      for (let i = 0; i < requests; i++) {
        const status = await ask(socket, request);
        statuses[status] = (statuses[status] ?? 0) + 1;
      }
    }),
  );
  const seconds = (performance.now() - begun) / 1000;
  for (const socket of sockets) socket.destroy();
  return { statuses, seconds };
}

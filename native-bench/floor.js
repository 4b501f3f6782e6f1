/**
 * What the platform itself costs: uWebSockets.js in front, `net.Socket` behind, and as little as possible between them. It
 * takes every answer to come in one read, looks at no header, checks nothing and would serve nobody else. What Weir costs
 * beyond it is Weir's own doing; what it costs beyond nginx no gateway of these parts can save.
 *
 *   node native-bench/floor.js PORT MOCK_PORT
 */

import uWS from 'uWebSockets.js';
import { connect } from 'node:net';

const [port = 0, mockPort = 0] = process.argv.slice(2).map(Number);
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);
const HEAD_END = '\r\n\r\n';

/** @type {Connection[]} */
const idle = [];

class Connection {
  #out = Buffer.allocUnsafeSlow(64 * 1024);
  /** @type {import('uWebSockets.js').HttpResponse | null} */
  #response = null;
  #socket;

  /** @param {(connection: Connection) => void} onOpen */
  constructor(onOpen) {
    const onread = {
      buffer: readBuffer,
      callback: (/** @type {number} */ bytesRead) => {
        this.#answer(bytesRead);
        return true;
      },
    };
    const address = { port: mockPort, host: '127.0.0.1', noDelay: true, onread };
    this.#socket = connect(address, () => onOpen(this));
    this.#socket.on('error', () => process.exit(1));
  }

  /** @param {import('uWebSockets.js').HttpResponse} response @param {string} head @param {Uint8Array} body */
  send(response, head, body) {
    this.#response = response;
    const headBytes = this.#out.write(head, 0, 'latin1');
    this.#out.set(body, headBytes);
    this.#socket.write(this.#out.subarray(0, headBytes + body.length));
  }

  /** @param {number} bytesRead */
  #answer(bytesRead) {
    const response = this.#response;
    this.#response = null;
    idle.push(this);
    if (response === null || response['isGone']) return;
    const body = readBuffer.subarray(readBuffer.indexOf(HEAD_END) + HEAD_END.length, bytesRead);
    response.cork(() => {
      response.writeHeader('content-type', 'application/json').end(body);
    });
  }
}

uWS
  .App()
  .any('/*', (response, request) => {
    response['isGone'] = false;
    response.onAborted(() => {
      response['isGone'] = true;
    });
    let head = `POST ${request.getUrl()} HTTP/1.1\r\nhost: mock\r\n`;
    request.forEach((name, value) => {
      if (name !== 'host' && name !== 'connection') head += `${name}: ${value}\r\n`;
    });
    head += '\r\n';
    response.onData((chunk) => {
      const connection = idle.pop();
      if (connection !== undefined) {
        connection.send(response, head, new Uint8Array(chunk));
        return;
      }
      const body = new Uint8Array(chunk).slice();
      new Connection((opened) => opened.send(response, head, body));
    });
  })
  .listen('127.0.0.1', port, (socket) => {
    if (!socket) process.exit(1);
  });

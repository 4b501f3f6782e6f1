/** What becomes of a failed connection, on real sockets: the code that callers see, and the class that decides. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { GatewayError } from '../../../src/core/errors.js';
import { Dialer } from '../../../src/upstream/dial.js';
import { classifyFailure } from '../../../src/upstream/failure.js';
import { classifyError } from '../../../src/upstream/failure-classes.js';
import { makeCertificate } from '../../helpers/certificates.js';

/** Dials, which must fail, and says what a call would make of it. */
async function dialInVain(url: string): Promise<GatewayError> {
  const error = await new Promise<Error>((resolve, reject) => {
    new Dialer({ name: 'p', baseUrl: new URL(url) }).dial({
      onOpen: (socket) => {
        socket.destroy();
        reject(new Error(`${url} could be connected to`));
      },
      onFailed: resolve,
    });
  });
  return classifyFailure('p', error, 'connecting');
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

test('a port that nobody listens on is `refused`', async () => {
  const server = createServer();
  const port = await listen(server);
  await close(server);
  const error = await dialInVain(`http://127.0.0.1:${port}`);
  assert.equal(error.code, 'upstream_refused');
  assert.equal(error.systemCode, 'ECONNREFUSED');
  assert.equal(classifyError(error), 'refused');
});

test('a name that does not resolve is `dns`, and stays `upstream_refused` for the caller', async () => {
  // RFC 6761 section 6.4: no such name will ever be.
  const error = await dialInVain('http://weir-test.invalid:1');
  assert.equal(error.code, 'upstream_refused');
  assert.equal(classifyError(error), 'dns', String(error.systemCode));
});

test('a certificate that is not trusted is `tls`, and stays `upstream_refused` for the caller', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-failure-'));
  const { cert, key } = makeCertificate(folder, 'self');
  const server = createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) });
  server.on('tlsClientError', () => {});
  try {
    const port = await listen(server);
    const error = await dialInVain(`https://127.0.0.1:${port}`);
    assert.equal(error.code, 'upstream_refused');
    assert.equal(classifyError(error), 'tls', String(error.systemCode));
  } finally {
    await close(server);
    rmSync(folder, { recursive: true });
  }
});

test('a server that speaks no TLS is `tls`', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.resume();
    socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n');
  });
  try {
    const error = await dialInVain(`https://127.0.0.1:${await listen(server)}`);
    assert.equal(classifyError(error), 'tls', String(error.systemCode));
  } finally {
    await close(server);
  }
});

test('a connection that is reset within its TLS handshake is `refused`: that passes', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.resetAndDestroy();
  });
  try {
    const error = await dialInVain(`https://127.0.0.1:${await listen(server)}`);
    assert.equal(classifyError(error), 'refused', String(error.systemCode));
  } finally {
    await close(server);
  }
});

test('an error keeps the system’s code, whatever had come of the answer', () => {
  const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
  const before = classifyFailure('p', reset, 'before-head');
  const after = classifyFailure('p', reset, 'after-head');
  assert.deepEqual([before.code, before.systemCode], ['upstream_reset', 'ECONNRESET']);
  assert.deepEqual([after.code, after.systemCode], ['upstream_cut', 'ECONNRESET']);
});

test('an error without a code has none, and one that is classified already stays as it is', () => {
  assert.equal(classifyFailure('p', new Error('x'), 'connecting').systemCode, null);
  const own = new GatewayError('queue_full', 'x');
  assert.equal(classifyFailure('p', own, 'connecting'), own);
});

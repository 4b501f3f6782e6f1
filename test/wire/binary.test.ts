/**
 * Which uWebSockets.js binary is here, and whether it does the least that Weir stands on: answer a
 * request, show the acceptor's calls where the runtime that ships needs them, and close in order.
 * docs/decisions/0001-uwebsockets-binary.md tells why.
 */

import uws from 'uWebSockets.js';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

/** sha256 prefixes of the files in uwebsockets@3.0.6, by ABI. 115 and 137 were examined. */
const KNOWN_FILES: Readonly<Record<string, string>> = {
  'uws_linux_x64_115.node': 'f4fa5d7b',
  'uws_linux_x64_137.node': '3b549c14',
  'uws_linux_arm64_115.node': '034e0fcc',
  'uws_linux_arm64_137.node': 'b6eb007d',
};

test('the binary is one of those that were examined, or is named', (context) => {
  const name = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  const folder = dirname(createRequire(import.meta.url).resolve('uWebSockets.js'));
  const digest = createHash('sha256')
    .update(readFileSync(join(folder, name)))
    .digest('hex');
  const isKnown = KNOWN_FILES[name] === digest.slice(0, 8);
  // Another file may be right: the authors' own release. Only the tests can say, so this one does not fail.
  context.diagnostic(`${name} ${digest.slice(0, 8)}${isKnown ? '' : ', not examined so far'}`);
});

test('the acceptor’s calls exist on the Node that ships', (context) => {
  const app = uws.App();
  const hasAcceptor = 'addChildAppDescriptor' in app && 'getDescriptor' in app;
  app.close();
  context.diagnostic(
    `node ${process.version}: acceptor calls ${hasAcceptor ? 'exist' : 'missing'}`,
  );
  const abi = Number(process.versions.modules);
  if (abi >= 127) assert.ok(hasAcceptor, 'Node 22 and later come with a file that has them');
});

test('it answers a request and then lets the process end', async () => {
  const app = uws.App().get('/ping', (response) => {
    response.onAborted(() => {});
    response.end('pong');
  });
  const port = await new Promise<number>((resolve, reject) => {
    app.listen('127.0.0.1', 0, (socket) => {
      if (socket === false) reject(new Error('could not listen'));
      else resolve(uws.us_socket_local_port(socket));
    });
  });
  const answer = await fetch(`http://127.0.0.1:${port}/ping`, { headers: { connection: 'close' } });
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), 'pong');
  app.close();
});

/**
 * WireMock as the mock provider, with the flags that its chart gives it and Kong's comparison left as they were: it
 * keeps a journal of requests and logs, and so costs more than the gateways that are measured against it.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { OPENAI_CALL } from '../load.js';
import { findFreePort, start } from '../processes.js';
import { makeScratchDir } from '../proxies.js';
import { answerBody } from '../requests.js';
import { findInstalled, LeftOutError } from './cache.js';
import { askVersion, serve } from './rival.js';

const MAPPING = {
  request: { method: 'POST', urlPath: '/v1/chat/completions' },
  response: { status: 200, headers: { 'Content-Type': 'application/json' }, body: answerBody },
};

/** @type {import('./rival.js').Rival} */
export const wiremock = {
  name: 'wiremock',
  answer: 'as it is',
  connections: 64,
  streams: 0,
  isSlow: false,
  findVersion() {
    const { version } = JSON.parse(
      readFileSync(path.join(findInstalled('wiremock'), 'package.json'), 'utf8'),
    );
    try {
      return `${version}, Java ${askVersion('java', ['-version']).replaceAll('"', '')}`;
    } catch (error) {
      throw error instanceof LeftOutError
        ? new LeftOutError(`there is no Java (apt-get install default-jre-headless)`)
        : error;
    }
  },
  call: () => OPENAI_CALL,
  /** It is its own provider: of the setup it takes the place only. */
  async start(setup) {
    const port = await findFreePort();
    const dir = makeScratchDir();
    mkdirSync(path.join(dir, 'mappings'));
    writeFileSync(path.join(dir, 'mappings/chat.json'), JSON.stringify(MAPPING));
    const version = readFileSync(path.join(findInstalled('wiremock'), 'package.json'), 'utf8');
    const jar = `build/wiremock-standalone-${JSON.parse(version).version}.jar`;
    const flags = [`--port=${port}`, '--max-request-journal=1000', '--local-response-templating'];
    const place = ['--bind-address=127.0.0.1', `--root-dir=${dir}`];
    const program = ['-jar', path.join(findInstalled('wiremock'), jar)];
    const started = start('java', [...program, ...flags, ...place], { cpu: setup.cpu, cwd: dir });
    return serve(wiremock, setup, port, started, 30_000);
  },
};

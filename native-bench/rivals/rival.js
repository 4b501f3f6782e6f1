/** What a rival is, and what all of them have in common when they start. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { sleep, stop } from '../processes.js';
import { answerBody, REQUEST_FILE, requestBody } from '../requests.js';
import { OUT_DIR } from '../tools.js';
import { LeftOutError } from './cache.js';

/**
 * @typedef {object} Rival
 * @property {string} name
 * @property {() => string} findVersion throws LeftOutError when it is not on this machine
 * @property {(setup: import('../proxies.js').Setup) => Promise<import('../proxies.js').Proxy>} start
 * @property {(mockPort: number) => import('../load.js').Call} call what its own users would send it
 * @property {'as it is' | 'rewritten'} answer whether it passes the provider's bytes on, or parses and writes them anew
 * @property {number} connections as many as its rate can feed: of a slow one the requests that are under way when the
 * time is up would be a good part of the whole
 * @property {boolean} isSlow its start and its loads take so long that a quick look leaves it out
 * @property {number} streams at a time, at the same pace each, that one core of it can keep up with
 */

/** The first line that names a version. @param {string} program @param {string[]} args */
export function askVersion(program, args) {
  const { stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', timeout: 20_000 });
  if (error !== undefined) throw new LeftOutError(`${program} cannot be run: ${error.message}`);
  const line = `${stdout}\n${stderr}`.split('\n').find((each) => /\d+\.\d+/.test(each));
  if (line === undefined) throw new LeftOutError(`${program} does not tell its version`);
  return /v?\d+\.\d+[^\s,]*/.exec(line)?.[0] ?? line.trim();
}

/** A program that nobody packages for us: whoever has it says where. @param {string} variable */
export function readProgramVariable(variable) {
  const program = process.env[variable];
  if (program === undefined || program === '')
    throw new LeftOutError(`no build is at hand (${variable}=/path/to/it)`);
  return program;
}

/**
 * The same chat request as everyone's, but for the name of the model where a gateway wants it prefixed.
 * @param {string} name
 * @param {string} model
 */
export function writeRequestFile(name, model) {
  const body = JSON.parse(requestBody);
  if (body.model === model) return REQUEST_FILE;
  const file = path.join(OUT_DIR, `request-${name}.json`);
  writeFileSync(file, JSON.stringify({ ...body, model }));
  return file;
}

/** @param {string} body */
function readContent(body) {
  try {
    return JSON.parse(body).choices[0].message.content;
  } catch {
    return undefined;
  }
}

/**
 * Sends the benchmark's own request until it is answered, and looks at the answer: byte for byte, or, where the
 * gateway writes it anew, at what the model says.
 * @param {Rival} rival
 * @param {number} mockPort
 * @param {number} port
 * @param {import('../processes.js').Started} started
 * @param {number} withinMs
 */
async function waitUntilAnswering(rival, mockPort, port, started, withinMs) {
  const { path: url, headers, model } = rival.call(mockPort);
  const body = JSON.stringify({ ...JSON.parse(requestBody), model });
  let ended = false;
  started.ended.then(() => {
    ended = true;
  });
  let last = '';
  for (const deadline = performance.now() + withinMs; ; await sleep(100)) {
    if (ended || performance.now() > deadline)
      throw new LeftOutError(
        `${ended ? 'it ended' : `no answer within ${withinMs} ms`}: ${last} ${started.stderrTail()}`.trim(),
      );
    let status, text;
    try {
      const response = await fetch(`http://127.0.0.1:${port}${url}`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: 'Bearer bench',
          connection: 'close',
          ...headers,
        },
        body,
        signal: AbortSignal.timeout(10_000),
      });
      status = response.status;
      text = await response.text();
    } catch (error) {
      last = String(error);
      continue;
    }
    const isSame =
      rival.answer === 'as it is'
        ? text === answerBody
        : readContent(text) === readContent(answerBody);
    if (status === 200 && isSame) return;
    last = `it answers ${status}: ${text.slice(0, 300)}`;
    // While it starts it may say so; what has an answer of its own will not change it.
    if (status === 200) throw new LeftOutError(last);
  }
}

/**
 * @param {Rival} rival
 * @param {import('../proxies.js').Setup} setup
 * @param {number} port
 * @param {import('../processes.js').Started} started
 * @param {number} [withinMs]
 * @returns {Promise<import('../proxies.js').Proxy>}
 */
export async function serve(rival, setup, port, started, withinMs = 15_000) {
  // A pipe that nobody reads would stop whoever talks.
  started.child.stdout?.resume();
  try {
    await waitUntilAnswering(rival, setup.mockPort, port, started, withinMs);
  } catch (error) {
    await stop(started);
    throw error;
  }
  return { port, pid: started.pid, stop: () => stop(started) };
}

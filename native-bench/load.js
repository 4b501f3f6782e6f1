/**
 * The mock provider, and the kinds of load: JSON requests in a closed loop by wrk and at a constant rate by open-loop,
 * event streams and the replay of a trace by sse-load.
 */
import path from 'node:path';
import { BENCH_DIR } from './options.js';
import { findFreePort, start, stop, waitForLine } from './processes.js';
import { ANSWER_FILE, REQUEST_FILE } from './requests.js';
import { OPEN_LOOP, SSE_LOAD } from './tools.js';

/** @typedef {{ p50: number, p99: number }} LatencyUs */
/** @typedef {{ p50: number, p90: number, p99: number, p999: number, max: number }} PercentilesUs */
/** @typedef {[number, number][]} Curve pairs of N and the microseconds that one of N exceeds */

/** @param {number} cpu */
export async function startMock(cpu) {
  const port = await findFreePort();
  const started = start(SSE_LOAD, ['mock', String(port), ANSWER_FILE], { cpu });
  await waitForLine(started, (line) => (line.includes('"listening"') ? true : null), {
    what: 'the mock',
    withinMs: 5000,
  });
  return { port, pid: started.pid, stop: () => stop(started) };
}

/** What a gateway's own users would send it, where that differs from what OpenAI's would.
 * @typedef {{ path: string, headers: Record<string, string>, model: string }} Call */

/** @type {Call} */
export const OPENAI_CALL = { path: '/v1/chat/completions', headers: {}, model: 'gpt-4o' };

/**
 * Closed loop: each connection sends its next request when it has the answer to the last.
 * @param {{ port: number, connections: number, threads: number, seconds: number, cpu: number | string | null, scheme?: 'http' | 'https', call?: Call, bodyFile?: string, keys?: number }} load `keys`: of so many consumers, one after the other by chance
 * @returns {Promise<{ requests: number, requestsPerSecond: number, latencyUs: LatencyUs }>}
 */
export async function loadRequests({
  port,
  connections,
  threads,
  seconds,
  cpu,
  scheme = 'http',
  call = OPENAI_CALL,
  bodyFile = REQUEST_FILE,
  keys = 0,
}) {
  const url = `${scheme}://127.0.0.1:${port}${call.path}`;
  const script = path.join(BENCH_DIR, 'wrk/chat.lua');
  // wrk takes whole seconds only.
  const whole = Math.max(1, Math.round(seconds));
  const args = [
    `-t${threads}`,
    `-c${connections}`,
    `-d${whole}s`,
    '--timeout',
    '5s',
    '-s',
    script,
    url,
    '--',
    bodyFile,
    ...Object.entries(call.headers).map(([name, value]) => `${name}: ${value}`),
    ...(keys > 0 ? [`keys=${keys}`] : []),
  ];
  const wrk = start('wrk', args, { cpu });
  const result = await waitForLine(
    wrk,
    (line) => (line.startsWith('result ') ? JSON.parse(line.slice(7)) : null),
    {
      what: 'wrk',
      withinMs: whole * 1000 + 20_000,
    },
  );
  await wrk.ended;
  const failed = Object.entries(result.errors).filter(([, count]) => Number(count) > 0);
  if (failed.length > 0)
    throw new Error(`requests failed: ${failed.map(([kind, n]) => `${n} ${kind}`).join(', ')}`);
  return {
    requests: result.requests,
    requestsPerSecond: result.requests / (result.micros / 1e6),
    latencyUs: { p50: result.p50Us, p99: result.p99Us },
  };
}

/**
 * @typedef {object} StreamResult
 * @property {number} streams
 * @property {number} events
 * @property {number} bytes
 * @property {number} eventBytes
 * @property {number} reconnects
 * @property {number} seconds
 * @property {number} stalled streams in which an event came later than the next one was due
 * @property {PercentilesUs} eventUs from the mock's write to the client's read
 * @property {PercentilesUs} firstUs from the request to the first event
 * @property {Curve} eventCurve of eventUs
 */

/**
 * Streams run back to back on each connection until the time is up, and the last ones to their end.
 * sse-load compares every byte; a wrong one ends it with an error, which ends the run.
 * @param {{ port: number, connections: number, seconds: number, events: number, gapMs: number, cpu: number, asksUsage?: boolean, call?: Call, rewritten?: boolean }} load
 * `rewritten`: of a gateway that writes every event anew only number, text and order are compared
 * @returns {Promise<StreamResult>}
 */
export async function loadStreams({
  port,
  connections,
  seconds,
  events,
  gapMs,
  cpu,
  asksUsage = false,
  call = OPENAI_CALL,
  rewritten = false,
}) {
  const numbers = [port, connections, seconds, events, gapMs].map(String);
  const manner = [
    ...(asksUsage ? ['usage'] : []),
    ...(rewritten ? ['rewritten'] : []),
    `path=${call.path}`,
    `model=${call.model}`,
    ...Object.entries(call.headers).map(([name, value]) => `header=${name}: ${value}`),
  ];
  const client = start(SSE_LOAD, ['streams', ...numbers, ...manner], { cpu });
  const result = await waitForLine(
    client,
    (line) => (line.startsWith('{') ? JSON.parse(line) : null),
    {
      what: 'sse-load',
      withinMs: seconds * 1000 + events * gapMs + 20_000,
    },
  );
  await client.ended;
  return result;
}

/**
 * @param {string} program
 * @param {(string | number)[]} args
 * @param {{ what: string, withinMs: number, cpu: number }} limits
 */
async function readResult(program, args, { what, withinMs, cpu }) {
  const client = start(program, args.map(String), { cpu });
  const toJson = (/** @type {string} */ line) => (line.startsWith('{') ? JSON.parse(line) : null);
  const result = await waitForLine(client, toJson, { what, withinMs });
  await client.ended;
  return result;
}

/**
 * @typedef {object} RateResult
 * @property {number} requests
 * @property {number} seconds
 * @property {number} requestsPerSecond
 * @property {number} reconnects
 * @property {PercentilesUs} latencyUs from the moment a request was meant to be sent
 * @property {PercentilesUs} sentLateUs from that moment to when it was
 * @property {Curve} curve of latencyUs
 */

/**
 * Open loop: requests are sent when they are due, however long the answers to others take.
 * @param {{ port: number, connections: number, rate: number, seconds: number, cpu: number }} load `rate` 0: a closed loop
 * @returns {Promise<RateResult>}
 */
export function loadRate({ port, connections, rate, seconds, cpu }) {
  const args = ['rate', port, connections, rate, seconds, REQUEST_FILE, ANSWER_FILE];
  return readResult(OPEN_LOOP, args, {
    what: 'open-loop',
    withinMs: seconds * 1000 + 30_000,
    cpu,
  });
}

/**
 * @param {{ port: number, file: string, seconds: number, gapMs: number, cpu: number }} load `file` as sse-load reads it
 * @returns {Promise<StreamResult>}
 */
export function loadTrace({ port, file, seconds, gapMs, cpu }) {
  return readResult(SSE_LOAD, ['trace', port, file, gapMs], {
    what: 'sse-load, replaying a trace',
    withinMs: seconds * 1000 + 60_000,
    cpu,
  });
}

/** @param {string} program @param {(string | number)[]} args @param {number} cpu */
async function holdOpen(program, args, cpu) {
  const client = start(program, ['hold', ...args].map(String), { cpu });
  await waitForLine(client, (line) => (line.includes('"open"') ? true : null), {
    what: `${program}, holding connections open`,
    withinMs: 40_000,
  });
  return async () => {
    client.child.stdin?.end();
    await client.ended;
  };
}

/**
 * Opens streams that say one event and then nothing; the function that it returns closes them.
 * @param {{ port: number, connections: number, cpu: number }} load
 */
export function holdStreams({ port, connections, cpu }) {
  return holdOpen(SSE_LOAD, [port, connections], cpu);
}

/**
 * Opens connections, has one JSON request answered on each, and keeps them.
 * @param {{ port: number, connections: number, cpu: number }} load
 */
export function holdConnections({ port, connections, cpu }) {
  return holdOpen(OPEN_LOOP, [port, connections, REQUEST_FILE, ANSWER_FILE], cpu);
}

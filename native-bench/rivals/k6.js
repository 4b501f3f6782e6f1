/** k6, the load of Kong's published comparison: so many virtual users, each with its next request when it has the answer. */
import path from 'node:path';
import { BENCH_DIR } from '../options.js';
import { start, waitForLine } from '../processes.js';
import { findInstalled } from './cache.js';
import { askVersion } from './rival.js';

export function findK6Version() {
  return askVersion(findInstalled('k6'), ['version']);
}

/**
 * Unlike wrk it waits for the last answers when the time is up. Requests that fail are told and not counted: whoever
 * cannot serve that many at a time would otherwise be left out, or look fast.
 * @param {{ port: number, connections: number, seconds: number, cpu: number | string | null, call: import('../load.js').Call, bodyFile: string }} load
 * @returns {Promise<{ requests: number, requestsPerSecond: number, failedPercent: number, latencyUs: import('../load.js').LatencyUs }>}
 */
export async function loadWithK6({ port, connections, seconds, cpu, call, bodyFile }) {
  const script = path.join(BENCH_DIR, 'k6/chat.js');
  const args = ['run', '--quiet', '--no-usage-report', '--no-color', script];
  const k6 = start(findInstalled('k6'), args, {
    cpu,
    env: {
      BENCH_VUS: String(connections),
      BENCH_DURATION: `${seconds}s`,
      BENCH_URL: `http://127.0.0.1:${port}${call.path}`,
      BENCH_BODY_FILE: bodyFile,
      BENCH_HEADERS: JSON.stringify({
        'content-type': 'application/json',
        authorization: 'Bearer bench',
        ...call.headers,
      }),
    },
  });
  const result = await waitForLine(
    k6,
    (line) => (line.startsWith('result ') ? JSON.parse(line.slice(7)) : null),
    { what: 'k6', withinMs: seconds * 1000 + 60_000 },
  );
  await k6.ended;
  const { requests, requestsPerSecond, failed } = result;
  const share = failed / requests;
  return {
    requests: requests - failed,
    requestsPerSecond: requestsPerSecond * (1 - share),
    failedPercent: share * 100,
    latencyUs: { p50: result.p50Ms * 1000, p99: result.p99Ms * 1000 },
  };
}

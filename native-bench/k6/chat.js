// @ts-nocheck: k6 brings its modules itself.
/** One chat request over and over from each virtual user, as in Kong's published scripts; the result as one line of JSON. */
import { check } from 'k6';
import http from 'k6/http';

export const options = {
  vus: Number(__ENV.BENCH_VUS),
  duration: __ENV.BENCH_DURATION,
  summaryTrendStats: ['med', 'p(95)', 'p(99)'],
};

const url = __ENV.BENCH_URL;
const body = open(__ENV.BENCH_BODY_FILE);
const params = { timeout: '600s', headers: JSON.parse(__ENV.BENCH_HEADERS) };

export default function () {
  check(http.post(url, body, params), { 'is 200': ({ status }) => status === 200 });
}

export function handleSummary({ metrics }) {
  const duration = metrics.http_req_duration.values;
  const result = {
    requests: metrics.http_reqs.values.count,
    requestsPerSecond: metrics.http_reqs.values.rate,
    failed: metrics.checks.values.fails,
    p50Ms: duration.med,
    p95Ms: duration['p(95)'],
    p99Ms: duration['p(99)'],
  };
  return { stdout: `\nresult ${JSON.stringify(result)}\n` };
}

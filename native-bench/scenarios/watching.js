/** Whoever looks at a gateway while it works: a Prometheus, people with the dashboard open, a collector of traces. */
import http from 'node:http';

const SCRAPE_MS = 1000;

/** @param {number} adminPort */
async function scrape(adminPort) {
  const response = await fetch(`http://127.0.0.1:${adminPort}/metrics`, {
    signal: AbortSignal.timeout(5000),
  });
  const text = await response.text();
  if (!response.ok || !text.includes('weir_requests_total'))
    throw new Error(`/metrics answered ${response.status} and not the counters`);
}

/** The function that it returns ends the scraping, and fails if one of the scrapes did. @param {number} adminPort */
export function scrapeSteadily(adminPort) {
  /** @type {Promise<void>[]} */
  const scrapes = [];
  const again = () => {
    const one = scrape(adminPort);
    one.catch(() => {}); // Told at the end, by whoever waits for all of them.
    scrapes.push(one);
  };
  again();
  const timer = setInterval(again, SCRAPE_MS);
  return async () => {
    clearInterval(timer);
    await Promise.all(scrapes);
  };
}

/**
 * Opens dashboards' live feeds and reads all that they are sent.
 * @param {number} adminPort
 * @param {number} count
 * @returns {Promise<() => number>} ends them, and tells the events that came
 */
export async function openDashboards(adminPort, count) {
  let events = 0;
  const opened = Array.from(
    { length: count },
    () =>
      new Promise((/** @type {(request: http.ClientRequest) => void} */ resolve, reject) => {
        const options = { host: '127.0.0.1', port: adminPort, path: '/api/live', agent: false };
        const request = http.get(options, (response) => {
          if (response.statusCode !== 200)
            reject(new Error(`/api/live answered ${response.statusCode}`));
          response.setEncoding('latin1').on('data', (text) => {
            events += text.split('\n\n').length - 1;
          });
          response.on('error', () => {}); // Of ending it.
          resolve(request);
        });
        request.on('error', reject);
      }),
  );
  const requests = await Promise.all(opened);
  return () => {
    for (const request of requests) request.destroy();
    return events;
  };
}

/** Takes whatever it is sent, as a collector does that is quick enough. */
export async function startCollector() {
  let posts = 0;
  const server = http.createServer((request, response) => {
    request.resume().on('end', () => {
      posts += 1;
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise((/** @type {(value: void) => void} */ resolve) => {
    server.listen(0, '127.0.0.1', () => resolve());
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the collector has no port');
  return {
    port: address.port,
    countPosts: () => posts,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

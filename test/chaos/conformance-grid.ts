/** Runs the vectors of HTTP/1.1 against Weir and others, each in front of an echo of its own, and keeps what they did. */
import { EchoUpstream } from '../helpers/echo-upstream.js';
import { proxyConfig, startGateway } from '../helpers/gateway.js';
import { findOrphans, isClosedLate, type ProbeResult, probeAll } from '../helpers/http11-probe.js';
import type { Verdict } from '../helpers/http11-rules.js';
import type { SuiteName } from '../helpers/http11-vector.js';
import { HTTP11_VECTORS } from '../helpers/http11-vectors.js';
import { type RivalName, RivalProxy, readRivalVersion } from '../helpers/rival-proxies.js';

export type ProxyName = 'weir' | RivalName;

export const PROXIES: readonly ProxyName[] = ['weir', 'nginx', 'haproxy'];

/** What one proxy did with one vector. */
export interface GridCell {
  /** Such as `400, closed` or `served`. */
  readonly what: string;
  readonly verdict: Verdict;
}

export interface GridRow {
  readonly id: string;
  readonly suite: SuiteName;
  readonly section: string;
  readonly asks: string;
  readonly isScored: boolean;
  readonly cells: Readonly<Record<ProxyName, GridCell>>;
}

export interface GridTotals {
  readonly smuggled: number;
  readonly hung: number;
  /** Whole requests that were neither answered nor refused but by a timer that closed the connection. */
  readonly late: number;
  readonly crashed: number;
  /** Of the vectors that count. */
  readonly pass: number;
  readonly lenient: number;
  readonly fail: number;
  /** What the upstream got and no vector accounts for. */
  readonly orphans: number;
}

/** As it is kept in docs/endurance/conformance-grid.json. */
export interface Grid {
  readonly versions: Readonly<Record<ProxyName, string>>;
  readonly totals: Readonly<Record<ProxyName, GridTotals>>;
  readonly rows: readonly GridRow[];
}

export interface ProxyRun {
  readonly results: readonly ProbeResult[];
  readonly totals: GridTotals;
  /** What went wrong beside the vectors, in words. */
  readonly complaints: readonly string[];
}

/** Longer than Weir, nginx and HAProxy, as they are set up here, let a client be silent. */
const SILENCE_MS = 20_000;

export async function runWeir(): Promise<ProxyRun> {
  const echo = await EchoUpstream.start();
  try {
    const gateway = await startGateway({ config: proxyConfig(echo.baseUrl) });
    try {
      const results = await probeAll(gateway.port, echo, HTTP11_VECTORS, { silenceMs: SILENCE_MS });
      const faults = gateway.logs.filter(({ level }) => level === 'error' || level === 50);
      const complaints = [
        ...findOrphans(echo),
        ...faults.map((line) => JSON.stringify(line)),
        ...(gateway.exit === null ? [] : [`it ended: ${JSON.stringify(gateway.exit)}`]),
      ];
      await gateway.stop();
      return { results, totals: addUp(results, echo, gateway.exit?.code === 0), complaints };
    } finally {
      await gateway.kill();
    }
  } finally {
    await echo.stop();
  }
}

/** Two proxies in a row, whose parsers share nothing: what one lets through in doubt, the other may read otherwise. */
export async function runChain(chain: 'weir → nginx' | 'haproxy → weir'): Promise<ProxyRun> {
  const echo = await EchoUpstream.start();
  const isFirst = chain === 'weir → nginx';
  const nginx = isFirst ? await RivalProxy.start('nginx', echo.port) : null;
  const gateway = await startGateway({
    config: proxyConfig(`http://127.0.0.1:${nginx?.port ?? echo.port}/v1`),
  });
  const haproxy = isFirst ? null : await RivalProxy.start('haproxy', gateway.port);
  try {
    const port = haproxy?.port ?? gateway.port;
    const results = await probeAll(port, echo, HTTP11_VECTORS, { silenceMs: SILENCE_MS });
    const totals = addUp(results, echo, gateway.exit === null);
    return { results, totals, complaints: findOrphans(echo) };
  } finally {
    await haproxy?.stop();
    await gateway.kill();
    await nginx?.stop();
    await echo.stop();
  }
}

export async function runRival(name: RivalName): Promise<ProxyRun> {
  const echo = await EchoUpstream.start();
  const proxy = await RivalProxy.start(name, echo.port);
  try {
    const results = await probeAll(proxy.port, echo, HTTP11_VECTORS, { silenceMs: SILENCE_MS });
    return {
      results,
      totals: addUp(results, echo, proxy.isRunning),
      complaints: findOrphans(echo),
    };
  } finally {
    await proxy.stop();
    await echo.stop();
  }
}

function addUp(results: readonly ProbeResult[], echo: EchoUpstream, isAlive: boolean): GridTotals {
  const scored = results.filter(({ vector }) => vector.isScored);
  const count = (verdict: Verdict) => scored.filter((result) => result.verdict === verdict).length;
  return {
    smuggled: results.filter(({ fault }) => fault === 'smuggled').length,
    hung: results.filter(({ fault }) => fault === 'hung').length,
    late: results.filter(({ vector, seen }) => isClosedLate(vector, seen)).length,
    crashed: isAlive ? 0 : 1,
    pass: count('pass'),
    lenient: count('lenient'),
    fail: count('fail'),
    orphans: findOrphans(echo).length,
  };
}

export function buildGrid(runs: Readonly<Record<ProxyName, ProxyRun>>, weir: string): Grid {
  const cellOf = (name: ProxyName, index: number): GridCell => {
    const result = runs[name].results[index] as ProbeResult;
    return { what: describeResult(result), verdict: result.verdict };
  };
  return {
    versions: {
      weir,
      nginx: readRivalVersion('nginx'),
      haproxy: readRivalVersion('haproxy'),
    },
    totals: {
      weir: runs.weir.totals,
      nginx: runs.nginx.totals,
      haproxy: runs.haproxy.totals,
    },
    rows: HTTP11_VECTORS.map(({ id, suite, section, rule, isScored }, index) => ({
      id,
      suite,
      section,
      asks: rule.asks,
      isScored,
      cells: {
        weir: cellOf('weir', index),
        nginx: cellOf('nginx', index),
        haproxy: cellOf('haproxy', index),
      },
    })),
  };
}

export function describeResult({ seen, fault }: ProbeResult): string {
  if (fault === 'smuggled') return `SMUGGLED: ${seen.hidden[0] ?? ''}`;
  if (seen.ending === 'silent') return 'HUNG';
  if (seen.ending === 'garbled') return 'no HTTP';
  if (seen.ending === 'closed') {
    return seen.ms > 2000 ? `closed after ${Math.round(seen.ms / 1000)} s` : 'closed';
  }
  const passed =
    seen.arrived.length > 0 ? 'served ' : seen.rejected.length > 0 ? 'passed on, ' : '';
  const answer = `${passed}${seen.status}`;
  const after: Readonly<Record<typeof seen.marker, string>> = {
    answered: '',
    closed: ', closed',
    refused: ', next refused',
    silent: ', next HUNG',
    none: '',
  };
  return `${answer}${after[seen.marker]}`;
}

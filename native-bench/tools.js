/** What has to be on the machine. Everything missing is named at once, with the way to get it; nothing is left out silently. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { BENCH_DIR } from './options.js';

export const OUT_DIR = path.join(BENCH_DIR, 'out');
export const SSE_LOAD = path.join(OUT_DIR, 'sse-load');
export const OPEN_LOOP = path.join(OUT_DIR, 'open-loop');

const PACKAGES = [
  { program: 'nginx', debianPackage: 'nginx-light' },
  { program: 'wrk', debianPackage: 'wrk' },
  { program: 'cc', debianPackage: 'gcc libc6-dev' },
  { program: 'taskset', debianPackage: 'util-linux' },
  { program: 'setpriv', debianPackage: 'util-linux' },
  { program: 'openssl', debianPackage: 'openssl' },
];

export class MissingError extends Error {}

/** nginx stands in /usr/sbin, which an ordinary user's PATH leaves out. */
process.env['PATH'] = `${process.env['PATH']}:/usr/sbin:/sbin`;

/** @param {string} program */
export function isInstalled(program) {
  return (process.env['PATH'] ?? '')
    .split(':')
    .some((dir) => dir !== '' && existsSync(path.join(dir, program)));
}

/** @param {string[]} weirDirs */
export function checkTools(weirDirs) {
  const problems = [];
  if (process.platform !== 'linux') problems.push('Linux: CPU time is read from /proc');
  const missing = PACKAGES.filter(({ program }) => !isInstalled(program));
  if (missing.length > 0) {
    const packages = [...new Set(missing.map(({ debianPackage }) => debianPackage))].join(' ');
    problems.push(
      `${missing.map(({ program }) => program).join(', ')}: on Debian or Ubuntu, apt-get install --no-install-recommends ${packages}`,
    );
  }
  for (const dir of weirDirs)
    if (!existsSync(path.join(dir, 'dist/main.js')))
      problems.push(`${path.join(dir, 'dist/main.js')}: npm ci in ${dir}, which builds it`);
  if (problems.length > 0) throw new MissingError(`missing\n  ${problems.join('\n  ')}`);
}

export function buildLoadPrograms() {
  mkdirSync(OUT_DIR, { recursive: true });
  const programs = [
    { program: SSE_LOAD, files: ['sse-load.c', 'sse-mock.c', 'sse-streams.c'] },
    { program: OPEN_LOOP, files: ['open-loop.c'] },
  ];
  for (const { program, files } of programs) {
    const sources = files.map((file) => path.join(BENCH_DIR, file));
    execFileSync('cc', ['-O2', '-Wall', '-o', program, ...sources], { stdio: 'inherit' });
  }
}

/**
 * The proxy has one core to itself, the load and the mock another: otherwise the proxy's cost would
 * contain the cache misses that the load inflicts on it, in a measure that differs by proxy.
 * `rest` is every core but the proxy's: for loads and mocks that are heavier than ours and would not fit on one.
 * @returns {{ proxy: number, load: number, rest: string }}
 */
export function chooseCores() {
  const list =
    /Cpus_allowed_list:\s*(\S+)/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '';
  const cores = list.split(',').flatMap((part) => {
    const [first = 0, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  const [proxy, load] = cores;
  if (proxy === undefined || load === undefined)
    throw new MissingError(
      `two cores are needed, one for the proxy and one for the load; allowed are: ${list}`,
    );
  return { proxy, load, rest: cores.slice(1).join(',') };
}

/** @param {string} program @param {string[]} args */
function firstLine(program, args) {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return `${stdout}${stderr}`.trim().split('\n')[0] ?? '';
}

/** @param {string} dir */
function describeCheckout(dir) {
  const commit = firstLine('git', ['-C', dir, 'rev-parse', '--short', 'HEAD']);
  const { version } = JSON.parse(readFileSync(path.join(dir, 'package.json'), 'utf8'));
  const changed = spawnSync('git', ['-C', dir, 'status', '--porcelain', '--untracked-files=no'], {
    encoding: 'utf8',
  });
  const isRepository = changed.status === 0;
  return isRepository
    ? `${version} (${commit}${changed.stdout === '' ? '' : ', changed'})`
    : `${version}`;
}

const loadBefore = os.loadavg()[0] ?? 0;

/** @param {import('./options.js').Options} options */
export function describeMachine(options) {
  const cpus = os.cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: cpus.length,
    memoryGb: Math.round(os.totalmem() / 2 ** 30),
    kernel: os.release(),
    // Before the run's own load: what the neighbours were doing.
    loadAverage: loadBefore,
    system: /^PRETTY_NAME="(.*)"/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? os.type(),
    node: process.version,
    nginx: firstLine('nginx', ['-v']).replace('nginx version: ', ''),
    wrk: /wrk (\S+)/.exec(firstLine('wrk', ['-v']))?.[1] ?? 'unknown',
    weir: describeCheckout(options.weirDir),
    weirBase: options.weirBaseDir === null ? null : describeCheckout(options.weirBaseDir),
  };
}

/** @typedef {ReturnType<typeof describeMachine>} Machine */

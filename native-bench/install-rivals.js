/**
 * `npm run rivals`: gets the rivals into .cache, each from where its own users get it, in pinned versions. What cannot be
 * had is said with its reason, here and again in the report, and the rest goes on. What is there already is left alone.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { killAll, start } from './processes.js';
import { CACHE_DIR, DIRS, PINNED, PLACES, readFailures, writeFailures } from './rivals/cache.js';
import { isInstalled } from './tools.js';

/** Go fetches and compiles hundreds of modules for k6. */
const STEP_MS_MAX = 15 * 60_000;

/** @param {string} text */
function say(text) {
  process.stdout.write(`${text}\n`);
}

/**
 * At a low priority, because whoever installs may be measuring elsewhere on the machine.
 * @param {string} program
 * @param {string[]} args
 * @param {Record<string, string>} [env]
 */
async function run(program, args, env = {}) {
  const started = start('nice', ['-n', '10', program, ...args], { cpu: null, cwd: CACHE_DIR, env });
  started.child.stdout?.resume();
  started.child.stdin?.end();
  const timer = setTimeout(() => started.child.kill('SIGKILL'), STEP_MS_MAX);
  await started.ended;
  clearTimeout(timer);
  if (started.child.exitCode === 0) return;
  // Without addresses, which make a reason of one line a paragraph.
  const said = started.stderrTail().replaceAll(/: reading https?:\S+|https?:\S+/g, '');
  const last = said
    .trim()
    .split('\n')
    .slice(-3)
    .join(' ')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/(\S+@\S+): \1/g, '$1');
  throw new Error(`${program} ${args[0]} failed: ${last || `exit code ${started.child.exitCode}`}`);
}

/** @param {'portkey' | 'wiremock'} name @param {Record<string, string>} dependencies @param {Record<string, string>} [overrides] */
async function installFromNpm(name, dependencies, overrides = {}) {
  const dir = DIRS[name];
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const manifest = { private: true, dependencies, overrides };
  writeFileSync(path.join(dir, 'package.json'), JSON.stringify(manifest, null, 2));
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  await run('npm', ['install', '--prefix', dir, '--omit=dev', '--ignore-scripts', ...quiet]);
}

async function installLitellm() {
  const dir = DIRS.litellm;
  rmSync(dir, { recursive: true, force: true });
  await run('python3', ['-m', 'venv', dir]);
  const pip = path.join(dir, 'bin/pip');
  await run(pip, [
    'install',
    '--quiet',
    '--disable-pip-version-check',
    `litellm[proxy]==${PINNED.litellm}`,
  ]);
}

/** @param {'k6' | 'bifrost'} name @param {string} program with its module's version */
async function installFromGo(name, program) {
  if (!isInstalled('go'))
    throw new Error('there is no Go to build it with (go.dev, 1.25 or later)');
  await run('go', ['install', program], { GOBIN: DIRS[name] });
}

/** @param {string} program @param {string} debianPackage */
async function installFromDebian(program, debianPackage) {
  if (isInstalled(program)) return;
  const words = ['install', '-y', '--no-install-recommends', debianPackage];
  if (process.getuid?.() !== 0) throw new Error(`as root: apt-get ${words.join(' ')}`);
  await run('apt-get', ['update', '--quiet']);
  await run('apt-get', words, { DEBIAN_FRONTEND: 'noninteractive' });
}

/** @type {{ name: string, version: string, isThere: () => boolean, install: () => Promise<void> }[]} */
const STEPS = [
  {
    name: 'haproxy',
    version: "Debian's",
    isThere: () => isInstalled('haproxy'),
    install: () => installFromDebian('haproxy', 'haproxy'),
  },
  {
    name: 'java',
    version: "Debian's",
    isThere: () => isInstalled('java'),
    install: () => installFromDebian('java', 'default-jre-headless'),
  },
  {
    name: 'wiremock',
    version: PINNED.wiremock,
    isThere: () => existsSync(PLACES.wiremock),
    install: () => installFromNpm('wiremock', { wiremock: PINNED.wiremock }),
  },
  {
    name: 'portkey',
    version: PINNED.portkey,
    isThere: () => existsSync(PLACES.portkey),
    install: () =>
      installFromNpm(
        'portkey',
        { '@portkey-ai/gateway': PINNED.portkey },
        { '@hono/node-server': PINNED.portkeyHttpServer },
      ),
  },
  {
    name: 'litellm',
    version: PINNED.litellm,
    isThere: () => existsSync(PLACES.litellm),
    install: installLitellm,
  },
  {
    name: 'k6',
    version: PINNED.k6,
    isThere: () => existsSync(PLACES.k6),
    install: () => installFromGo('k6', `go.k6.io/k6@${PINNED.k6}`),
  },
  {
    name: 'bifrost',
    version: PINNED.bifrost,
    isThere: () => existsSync(PLACES.bifrost),
    install: () =>
      installFromGo(
        'bifrost',
        `github.com/maximhq/bifrost/transports/bifrost-http@${PINNED.bifrost}`,
      ),
  },
];

mkdirSync(CACHE_DIR, { recursive: true });
/** @type {Record<string, string>} */
const failures = {};
for (const { name, version, isThere, install } of STEPS) {
  if (isThere()) {
    say(`${name} ${version}: there already`);
    continue;
  }
  say(`${name} ${version}: installing`);
  try {
    await install();
    if (!isThere()) throw new Error('installed without an error, and yet it is not there');
    say(`${name} ${version}: installed`);
  } catch (error) {
    failures[name] = error instanceof Error ? error.message : String(error);
    say(`${name} ${version}: NOT INSTALLED, because ${failures[name]}`);
  }
}
writeFailures(failures);
const missing = Object.keys(readFailures());
say(missing.length === 0 ? 'all rivals are here' : `left out will be: ${missing.join(', ')}`);
killAll();

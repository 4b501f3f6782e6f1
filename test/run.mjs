/**
 * Runs the compiled tests: `npm test`, or a part of them: `npm test -- test/wire drain`.
 * An argument is a piece of a test file's path; one that begins with `-` goes to `node --test`.
 *
 * The sources decide what runs, not what lies in `.test-build`: a deleted test leaves its compiled
 * file behind. Plain JavaScript, because Node 20's `--test` knows no globs.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** These open no sockets and share nothing, so they run side by side. All others run one file at
 * a time: they measure memory, milliseconds and who was disturbed, and 2 cores are the machine. */
const PARALLEL_FOLDERS = ['test/unit/', 'test/property/'];
const PARALLEL_FILES = 2;

/** The longest that one file may take; the longest honest one streams for a minute. */
const FILE_TIMEOUT_MS = Number(process.env.WEIR_TEST_TIMEOUT_MS ?? 300_000);

const requireAll = process.env.WEIR_REQUIRE_ALL === '1' || process.env.CI === 'true';
const fixtures = resolve(root, process.env.WEIR_FIXTURES ?? '../shared/fixtures');
const say = (line) => process.stdout.write(`${line}\n`);

function fail(message) {
  process.stderr.write(`test/run.mjs: ${message}\n`);
  process.exit(1);
}

/** Which native binary is under test decides what a result means, so every run says it. */
function describeRuntime() {
  const { glibcVersionRuntime: glibc = 'none' } = process.report.getReport().header;
  const folder = dirname(createRequire(import.meta.url).resolve('uWebSockets.js'));
  const name = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  const path = join(folder, name);
  const digest = existsSync(path)
    ? createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 8)
    : 'MISSING';
  return `node ${process.version}, glibc ${glibc}, ${name} sha256 ${digest}`;
}

function findTests(filters) {
  const all = readdirSync(join(root, 'test'), { recursive: true })
    .map((name) => `test/${name}`)
    .filter((name) => name.endsWith('.test.ts'))
    .sort();
  for (const filter of filters) {
    if (!all.some((name) => name.includes(filter))) fail(`no test file's path holds '${filter}'`);
  }
  if (filters.length === 0) return all;
  return all.filter((name) => filters.some((filter) => name.includes(filter)));
}

function runGroup(title, sources, concurrency, options) {
  const files = sources.map((name) => join('.test-build', name.replace(/\.ts$/, '.js')));
  const missing = files.filter((name) => !existsSync(join(root, name)));
  if (missing.length > 0) fail(`not compiled, run \`npm run build:test\` first: ${missing[0]}`);
  say(`\n# ${title}: ${files.length} files, ${concurrency} at a time`);
  const args = [
    '--test',
    '--enable-source-maps',
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${FILE_TIMEOUT_MS}`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=./test/report-skips.mjs',
    '--test-reporter-destination=stdout',
    ...options,
    ...files,
  ];
  const env = { ...process.env, WEIR_FIXTURES: fixtures, WEIR_REQUIRE_ALL: requireAll ? '1' : '' };
  return new Promise((done) => {
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: 'inherit' });
    // A second Ctrl-C reaches the child by itself; a CI's SIGTERM does not.
    process.once('SIGTERM', () => child.kill('SIGTERM'));
    child.once('exit', (code, signal) => {
      if (signal !== null) say(`# ${title}: ended by ${signal}`);
      done(code ?? 1);
    });
  });
}

const options = process.argv.slice(2).filter((argument) => argument.startsWith('-'));
const filters = process.argv
  .slice(2)
  .filter((argument) => !argument.startsWith('-'))
  .map((argument) => argument.replace(/^\.\//, '').replace(/\/$/, ''));
const tests = findTests(filters);
const isParallel = (name) => PARALLEL_FOLDERS.some((folder) => name.startsWith(folder));
const groups = [
  { title: 'side by side', files: tests.filter(isParallel), concurrency: PARALLEL_FILES },
  { title: 'one by one', files: tests.filter((name) => !isParallel(name)), concurrency: 1 },
];

say(`# ${describeRuntime()}`);
if (!existsSync(fixtures)) {
  const message = `no fixtures at ${fixtures}; WEIR_FIXTURES says where they are`;
  if (requireAll) fail(message);
  say(`# NOTE: ${message}. Tests that need them will be skipped.`);
}

let worst = 0;
for (const { title, files, concurrency } of groups) {
  if (files.length === 0) continue;
  worst = Math.max(worst, await runGroup(title, files, concurrency, options));
}
process.exitCode = worst;

/**
 * Runs the compiled tests: `npm test`, or a part of them: `npm test -- test/wire drain`.
 * An argument is a piece of a test file's path; one that begins with `-` goes to Node, such as
 * `--test-name-pattern=…`.
 *
 * Plain JavaScript and a process a file by our own hand, because `node --test` knows no globs on
 * Node 20 and waits for ever on Node 24 for a file that has ended its tests but left a handle open.
 * The sources decide what runs, not `.test-build`: a deleted test leaves its compiled file there.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Two at a time, because 2 cores are the machine: most files wait for half of their time, for answers that are slow on
 * purpose. Those of the second kind measure times, memory or who was disturbed, or load both cores by themselves. */
const FILES_AT_A_TIME = 2;
const ALONE = new RegExp(
  '^test/(chaos/|promises/(accept-spread|attempts-fallback|client-abort|drain-loop|first-byte|' +
    'memory-|overload|queue|soak-leaks|timeouts))',
);
/** It streams for a minute with little to do, so that the others are done meanwhile. */
const FIRST = /\/soak-streams\./;

/** The longest that one file may take; the longest honest one streams for a minute. */
const FILE_TIMEOUT_MS = Number(process.env.WEIR_TEST_TIMEOUT_MS ?? 300_000);

/** Of a failed file's failures, said again at the end of everything. */
const FAILURE_LINES_MAX = 60;

const requireAll = process.env.WEIR_REQUIRE_ALL === '1' || process.env.CI === 'true';
const fixtures = resolve(root, process.env.WEIR_FIXTURES ?? '../shared/fixtures');
const scratch = mkdtempSync(join(tmpdir(), 'weir-tests-'));
const running = new Set();
const say = (line) => process.stdout.write(`${line}\n`);

function fail(message) {
  process.stderr.write(`test/run.mjs: ${message}\n`);
  process.exit(1);
}

/** A test's process leads a group of its own, so that what it has started ends with it. */
function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

process.on('exit', () => {
  for (const pid of running) killGroup(pid);
  rmSync(scratch, { recursive: true, force: true });
});
process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));

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

/** Runs one file; resolves to what became of it. Its output is shown whole, never interleaved. */
function runFile(source, options) {
  const file = join('.test-build', source.replace(/\.ts$/, '.js'));
  if (!existsSync(join(root, file))) fail(`not compiled, run \`npm run build:test\`: ${file}`);
  const reportFile = join(scratch, source.replaceAll('/', '-'));
  const args = [
    '--enable-source-maps',
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=./test/report.mjs',
    `--test-reporter-destination=${reportFile}`,
    ...options,
    file,
  ];
  const env = { ...process.env, WEIR_FIXTURES: fixtures, WEIR_REQUIRE_ALL: requireAll ? '1' : '' };
  const startedMs = Date.now();
  return new Promise((done) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(child.pid);
    const output = [];
    child.stdout.on('data', (chunk) => output.push(chunk));
    child.stderr.on('data', (chunk) => output.push(chunk));
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      killGroup(child.pid);
    }, FILE_TIMEOUT_MS);
    // After 'exit' what the test has left behind may still hold the pipes: end it, then 'close' comes.
    child.once('exit', () => killGroup(child.pid));
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      running.delete(child.pid);
      const text = existsSync(reportFile) ? readFileSync(reportFile, 'utf8') : '';
      const counts = text === '' ? { passed: 0, failed: 0, skipped: [] } : JSON.parse(text);
      const problems = [];
      if (isLate) problems.push(`killed after ${FILE_TIMEOUT_MS} ms: a test or a handle hung`);
      else if (signal !== null) problems.push(`died of ${signal}`);
      else if (code !== 0) problems.push(`exit code ${code}, ${counts.failed} failed`);
      else if (text === '') problems.push('ended before its tests did');
      if (requireAll && counts.skipped.length > 0) problems.push('skipped what is required here');
      say(`\n# ${source} (${((Date.now() - startedMs) / 1000).toFixed(1)} s)`);
      const printed = Buffer.concat(output);
      process.stdout.write(printed);
      if (problems.length > 0) say(`# FAILED ${source}: ${problems.join('; ')}`);
      const failures = problems.length > 0 ? findFailures(printed.toString()) : '';
      done({ source, counts, problems, failures });
    });
  });
}

/** What the reporter says again of the tests that failed; else the last that was printed. */
function findFailures(printed) {
  const at = printed.lastIndexOf('failing tests:');
  return (at === -1 ? printed : printed.slice(at)).split('\n').slice(-FAILURE_LINES_MAX).join('\n');
}

async function runAll(sources, atATime, options) {
  const results = [];
  const left = [...sources];
  const work = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      results.push(await runFile(next, options));
    }
  };
  await Promise.all(Array.from({ length: atATime }, work));
  return results;
}

function summarize(results) {
  const failed = results.filter(({ problems }) => problems.length > 0);
  const sum = (pick) => results.reduce((total, { counts }) => total + pick(counts), 0);
  const skipped = results.flatMap(({ source, counts }) =>
    counts.skipped.map((what) => `#   ${source}: ${what}`),
  );
  say(`\n# ${describeRuntime()}`);
  say(
    `# ${results.length} files, ${sum((c) => c.passed)} tests passed, ` +
      `${sum((c) => c.failed)} failed, ${skipped.length} skipped`,
  );
  if (skipped.length > 0) say(`# SKIPPED, so NOT tested:\n${skipped.join('\n')}`);
  // A log of which only the end is kept must still tell why.
  for (const { source, failures } of failed) say(`\n# ${source}\n${failures}`);
  for (const { source, problems } of failed) say(`# FAILED ${source}: ${problems.join('; ')}`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

const options = process.argv.slice(2).filter((argument) => argument.startsWith('-'));
const filters = process.argv
  .slice(2)
  .filter((argument) => !argument.startsWith('-'))
  .map((argument) => argument.replace(/^\.\//, '').replace(/\/$/, ''));
const tests = findTests(filters);
const together = tests.filter((name) => !ALONE.test(name));

say(`# ${describeRuntime()}`);
if (!existsSync(fixtures)) {
  const message = `no fixtures at ${fixtures}; WEIR_FIXTURES says where they are`;
  if (requireAll) fail(message);
  say(`# NOTE: ${message}. Tests that need them will be skipped.`);
}
const inOrder = [
  ...together.filter((name) => FIRST.test(name)),
  ...together.filter((name) => !FIRST.test(name)),
];
summarize([
  ...(await runAll(inOrder, FILES_AT_A_TIME, options)),
  ...(await runAll(
    tests.filter((name) => ALONE.test(name)),
    1,
    options,
  )),
]);

/**
 * What a proxy has used: CPU time and resident memory of its whole process tree, from /proc.
 * The whole tree, because nginx works in children of a master, and Weir may in a child of a supervisor.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** @typedef {{ pid: number, parent: number, cpuTicks: number }} ProcessStat */

/** @param {number} pid @returns {ProcessStat | null} */
function readStat(pid) {
  let text;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return null; // It ended between the listing and now.
  }
  // The command stands in brackets and may hold anything, brackets too; what follows the last one is plain.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { pid, parent: Number(fields[1]), cpuTicks: Number(fields[11]) + Number(fields[12]) };
}

/** @param {number} root @returns {ProcessStat[]} */
function readTree(root) {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readStat(Number(name)))
    .filter((stat) => stat !== null);
  const tree = all.filter((stat) => stat.pid === root);
  if (tree.length === 0) throw new Error(`process ${root} is gone`);
  for (let i = 0; i < tree.length; i++)
    tree.push(...all.filter((stat) => stat.parent === tree[i]?.pid));
  return tree;
}

/**
 * What each thread of a process has run, in microseconds. The ticks of `stat` are 10 ms each, which is 2 % of what a
 * round of two seconds on a shared core is.
 * @param {number} pid
 * @returns {Map<string, number>}
 */
function readThreads(pid) {
  /** @type {Map<string, number>} */
  const threads = new Map();
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    try {
      const [ranNs] = readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'latin1').split(' ');
      threads.set(tid, Number(ranNs) / 1000);
    } catch {
      // It ended between the listing and now.
    }
  }
  return threads;
}

/** @param {number} root */
function readUsed(root) {
  return readTree(root).map((stat) => ({ ...stat, threads: readThreads(stat.pid) }));
}

/** @typedef {ReturnType<typeof readUsed>[number]} Used */

/** @param {Used | undefined} before @param {Used} after @returns {number[]} by thread */
function subtract(before, after) {
  return [...after.threads].map(([tid, us]) => us - (before?.threads.get(tid) ?? 0));
}

/** @param {Used | undefined} before @param {Used} after */
function countProcess(before, after) {
  const hasEnded = [...(before?.threads.keys() ?? [])].some((tid) => !after.threads.has(tid));
  // Only the process's own sum still has what a thread that ended has used.
  return hasEnded
    ? ((after.cpuTicks - (before?.cpuTicks ?? 0)) / ticksPerSecond) * 1e6
    : subtract(before, after).reduce((sum, us) => sum + us, 0);
}

/**
 * Starts counting; the function that it returns tells the microseconds of CPU since then. A process that ended in between
 * would be missing, so that is an error.
 * @param {number} root
 */
export function startCpuCount(root) {
  const before = readUsed(root);
  return () => {
    const after = readUsed(root);
    for (const { pid } of before)
      if (!after.some((used) => used.pid === pid))
        throw new Error(`process ${pid} of the proxy ended while it was measured`);
    return after.reduce(
      (sum, used) =>
        sum +
        countProcess(
          before.find(({ pid }) => pid === used.pid),
          used,
        ),
      0,
    );
  };
}

/**
 * The same for the one thread of the tree that used most: where there is one worker under load, that is the worker.
 * @param {number} root
 */
export function startThreadCount(root) {
  const before = readUsed(root);
  return () =>
    Math.max(
      ...readUsed(root).flatMap((used) =>
        subtract(
          before.find(({ pid }) => pid === used.pid),
          used,
        ),
      ),
    );
}

/**
 * Resident bytes of the tree. Pages that processes share count once for each; the scenarios only use
 * differences, in which that falls out.
 * @param {number} root
 */
export function readResidentBytes(root) {
  let kilobytes = 0;
  for (const { pid } of readTree(root)) {
    const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
    kilobytes += Number(line?.[1] ?? 0);
  }
  return kilobytes * 1024;
}

/**
 * What a proxy has used: CPU time and resident memory of its whole process tree, from /proc.
 * The whole tree, because nginx works in children of a master, and Weir may in a child of a supervisor.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** @typedef {{ pid: number, parent: number, cpuTicks: number }} ProcessStat */

/** @param {number} pid @param {string} place in /proc @returns {ProcessStat | null} */
function readStat(pid, place = String(pid)) {
  let text;
  try {
    text = readFileSync(`/proc/${place}/stat`, 'latin1');
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
 * Starts counting; the function that it returns tells the microseconds of CPU since then. Threads that
 * ended in between are still in their process's sum; a process that ended is not, so that is an error.
 * @param {number} root
 */
export function startCpuCount(root) {
  const before = readTree(root);
  return () => {
    const after = readTree(root);
    for (const { pid } of before)
      if (!after.some((stat) => stat.pid === pid))
        throw new Error(`process ${pid} of the proxy ended while it was measured`);
    const sum = (/** @type {ProcessStat[]} */ tree) =>
      tree.reduce((n, stat) => n + stat.cpuTicks, 0);
    return ((sum(after) - sum(before)) / ticksPerSecond) * 1e6;
  };
}

/**
 * The same for the one thread of the tree that used most: where there is one worker under load, that is the worker.
 * @param {number} root
 */
export function startThreadCount(root) {
  const before = readThreads(root);
  return () => {
    const used = [...readThreads(root)].map(([tid, ticks]) => ticks - (before.get(tid) ?? 0));
    return (Math.max(...used) / ticksPerSecond) * 1e6;
  };
}

/** CPU ticks by thread. @param {number} root @returns {Map<number, number>} */
function readThreads(root) {
  const threads = readTree(root).flatMap(({ pid }) =>
    readdirSync(`/proc/${pid}/task`).map((tid) => readStat(Number(tid), `${pid}/task/${tid}`)),
  );
  return new Map(threads.flatMap((stat) => (stat === null ? [] : [[stat.pid, stat.cpuTicks]])));
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

/** What Linux says of this process and of what it may use. Where it says nothing, the answer is 0: nobody knows. */
import { readdirSync, readFileSync } from 'node:fs';
import { totalmem } from 'node:os';

/** Files under /proc and /sys; tests put others in their place. */
export interface SystemFiles {
  readText(path: string): string | null;
  countEntries(path: string): number;
}

export const SYSTEM_FILES: SystemFiles = {
  readText: (path) => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return null;
    }
  },
  countEntries: (path) => {
    try {
      return readdirSync(path).length;
    } catch {
      return 0;
    }
  },
};

const CGROUP_ROOT = '/sys/fs/cgroup';
/** cgroup v1 writes a number near 2^63 where there is no limit. */
const NO_LIMIT_MIN = 2 ** 60;

/**
 * The least of what the machine has and of what the process's cgroup and those around it may use. Sources: cgroups(7),
 * memory.max of version 2, memory.limit_in_bytes of version 1.
 */
export function readMemoryLimitBytes(
  files: SystemFiles = SYSTEM_FILES,
  machineBytes: number = totalmem(),
): number {
  const limits = listLimitFiles(files.readText('/proc/self/cgroup') ?? '').map((path) =>
    Number(files.readText(path)?.trim()),
  );
  const known = limits.filter((limit) => limit > 0 && limit < NO_LIMIT_MIN);
  return Math.min(machineBytes, ...known);
}

function listLimitFiles(cgroups: string): string[] {
  return cgroups.split('\n').flatMap((line) => {
    // `0::/path` is version 2; `9:memory:/path` version 1.
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) return [];
    if (controllers === '') return listUpwards(CGROUP_ROOT, path, 'memory.max');
    return controllers.split(',').includes('memory')
      ? listUpwards(`${CGROUP_ROOT}/memory`, path, 'memory.limit_in_bytes')
      : [];
  });
}

/** In a container the path may be the host's, so that only the root of what is mounted exists. */
function listUpwards(root: string, path: string, file: string): string[] {
  const names = path.split('/').filter((name) => name !== '' && name !== '..');
  return [...names.keys(), names.length].map((length) =>
    [root, ...names.slice(0, length), file].join('/'),
  );
}

/** The soft limit of open files; 0 where there is none or nobody knows. */
export function readDescriptorsMax(files: SystemFiles = SYSTEM_FILES): number {
  const limits = files.readText('/proc/self/limits') ?? '';
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 0);
}

/** Costs the kernel about 20 µs for each 100. */
export function countDescriptors(files: SystemFiles = SYSTEM_FILES): number {
  return files.countEntries('/proc/self/fd');
}

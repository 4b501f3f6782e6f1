import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { ClientAddresses } from '../../../src/accept/caller-address.js';
import { type CrowdSearch, findCrowded } from '../../../src/primary/crowds.js';
import {
  countDescriptors,
  readDescriptorsMax,
  readMemoryLimitBytes,
  type SystemFiles,
} from '../../../src/primary/process-readings.js';

const GB = 2 ** 30;

function createFiles(texts: Readonly<Record<string, string>>): SystemFiles {
  return { readText: (path) => texts[path] ?? null, countEntries: () => 0 };
}

test('the least of the cgroups around the process counts', () => {
  const files = createFiles({
    '/proc/self/cgroup': '0::/a.slice/b.service\n',
    '/sys/fs/cgroup/a.slice/b.service/memory.max': 'max\n',
    '/sys/fs/cgroup/a.slice/memory.max': `${2 * GB}\n`,
  });
  assert.equal(readMemoryLimitBytes(files, 8 * GB), 2 * GB);
  assert.equal(readMemoryLimitBytes(files, GB), GB);
});

test('in a container the limit lies at the root of what is mounted', () => {
  const files = createFiles({
    '/proc/self/cgroup': '0::/../../kubepods/pod1\n',
    '/sys/fs/cgroup/memory.max': `${GB}\n`,
  });
  assert.equal(readMemoryLimitBytes(files, 8 * GB), GB);
});

test('version 1, and its number for no limit', () => {
  const cgroup = '9:cpu,cpuacct:/x\n8:memory:/docker/1\n';
  const of = (limit: string): number =>
    readMemoryLimitBytes(
      createFiles({
        '/proc/self/cgroup': cgroup,
        '/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes': limit,
      }),
      8 * GB,
    );
  assert.equal(of(`${3 * GB}\n`), 3 * GB);
  assert.equal(of('9223372036854771712\n'), 8 * GB);
});

test('where nothing is said, the machine counts, and nobody knows of descriptors', () => {
  assert.equal(readMemoryLimitBytes(createFiles({}), 8 * GB), 8 * GB);
  assert.equal(readDescriptorsMax(createFiles({})), 0);
});

test('descriptors of this process', () => {
  const limits =
    'Limit   Soft Limit  Hard Limit  Units\nMax open files            1024    4096   files\n';
  assert.equal(readDescriptorsMax(createFiles({ '/proc/self/limits': limits })), 1024);
  assert.ok(readDescriptorsMax() >= 64);
  assert.ok(countDescriptors() > 2);
});

const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0100007F:1F90 0200A8C0:0BB8 01 00000000:00000000 00:00000000 00000000     0        0 1
   2: 0100007F:1F90 0200A8C0:0BB9 01 00000000:00000000 00:00000000 00000000     0        0 1
   3: 0100007F:1F90 0200A8C0:0BBA 06 00000000:00000000 00:00000000 00000000     0        0 1
   4: 0100007F:1F91 0200A8C0:0BBB 01 00000000:00000000 00:00000000 00000000     0        0 1
   5: 0100007F:1F90 0300A8C0:0BB8 01 00000000:00000000 00:00000000 00000000     0        0 1
`;
const TCP6 = `  sl  local_address remote_address st
   0: 00000000000000000000000000000000:1F90 0000000000000000FFFF00000200A8C0:0BBC 01 0:0 0:0 0 0 0 1
   1: 00000000000000000000000000000000:1F90 B80D0120000000010000000001000000:0BBC 01 0:0 0:0 0 0 0 1
`;

function search(port: number, max: number, trusted: string[] = []): CrowdSearch {
  return { port, max, addresses: new ClientAddresses(trusted), addressesMax: 10 };
}

test('connections by address, of both families, that are established at this port', () => {
  const files = createFiles({ '/proc/net/tcp': TCP, '/proc/net/tcp6': TCP6 });
  assert.deepEqual(findCrowded(search(8080, 1), files), [
    '192.168.0.2',
    '192.168.0.3',
    '2001:db8:100::',
  ]);
  assert.deepEqual(findCrowded(search(8080, 3), files), ['192.168.0.2'], 'two, and one over IPv6');
  assert.deepEqual(findCrowded({ ...search(8080, 1), addressesMax: 1 }, files), ['192.168.0.2']);
  assert.deepEqual(findCrowded(search(8080, 4), files), []);
  assert.deepEqual(findCrowded(search(8080, 1), createFiles({})), []);
  const trusting = search(8080, 1, ['192.168.0.2/32', '2001:db8::/32']);
  assert.deepEqual(findCrowded(trusting, files), ['192.168.0.3'], 'a proxy speaks for many');
});

test('the kernel’s own list is read', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const socket = connect(address.port, '127.0.0.1');
  await once(socket, 'connect');
  assert.deepEqual(findCrowded(search(address.port, 1)), ['127.0.0.1']);
  assert.deepEqual(findCrowded(search(address.port, 2)), []);
  socket.destroy();
  server.close();
});

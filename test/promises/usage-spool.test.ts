/** P-13: usage records outlive the process, and the disk's failures never reach an exchange. */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { runWeir } from '../helpers/command.js';
import { type Gateway, startGateway } from '../helpers/gateway.js';
import { renderJson } from '../helpers/http-text.js';
import { askChat, chatBody } from '../helpers/limited.js';
import { sumMetric } from '../helpers/metrics-text.js';
import { MockUpstream, send } from '../helpers/mock-upstream.js';
import { pollUntil } from '../helpers/poll.js';
import { indexById, listSpool, readRecords } from '../helpers/usage-spool.js';

describe('the spool of usage records', { timeout: 90_000, concurrency: true }, () => {
  let upstream: MockUpstream;
  const folder = mkdtempSync(join(tmpdir(), 'weir-usage-'));
  const started: Gateway[] = [];
  /** Starting costs a core some seconds; several at a time would make each other late. */
  let lastStart: Promise<unknown> = Promise.resolve();

  before(async () => {
    upstream = await MockUpstream.start({ script: () => [send(renderJson(chatBody(9, 1)))] });
  });

  after(async () => {
    await Promise.all(started.map((gateway) => gateway.kill()));
    await upstream?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  function atTurn(begin: () => Promise<Gateway>): Promise<Gateway> {
    const next = lastStart.then(begin, begin);
    lastStart = next;
    return next;
  }

  async function start(dir: string): Promise<Gateway> {
    const gateway = await atTurn(() =>
      startGateway({
        readyMs: 30_000,
        workers: 2,
        config: {
          log: { access: 'off' },
          providers: {
            mock: { dialect: 'openai', base_url: upstream.baseUrl, api_key: 'sk-upstream-secret' },
          },
          models: { 'gpt-4o': { provider: 'mock' } },
          usage: { dir, flush_every: '50ms' },
        },
      }),
    );
    started.push(gateway);
    return gateway;
  }

  async function ask(gateway: Gateway): Promise<string> {
    const response = await askChat(gateway, 'anybody');
    await response.text();
    assert.equal(response.status, 200);
    return response.headers.get('x-weir-id') ?? '';
  }

  async function readMetric(gateway: Gateway, name: string): Promise<number> {
    return sumMetric(await gateway.metrics(), name);
  }

  it('P-13 kill -9 loses a record that was flushed, or leaves one twice', async () => {
    const dir = join(folder, 'killed');
    const flushed = new Set<string>();
    let answered = 0;
    for (let round = 0; round < 2; round += 1) {
      const gateway = await start(dir);
      const own: string[] = [];
      let isOver = false;
      const clients = Array.from({ length: 6 }, async () => {
        while (!isOver) {
          const id = await ask(gateway).catch(() => '');
          if (id !== '') own.push(id);
        }
      });
      await pollUntil(() => own.length >= 40, 10_000, 'some exchanges');
      const known = [...own];
      // The metric counts what is on the disk; when it has passed all that was begun, those known are.
      const begun = await readMetric(gateway, 'weir_exchanges_total');
      const isWritten = async () =>
        (await readMetric(gateway, 'weir_usage_records_total')) >= begun;
      await pollUntil(isWritten, 10_000, 'the records to be flushed');
      for (const id of known) flushed.add(id);
      await gateway.kill();
      isOver = true;
      await Promise.all(clients);
      answered += own.length;
      assert.equal(gateway.exit?.signal, 'SIGKILL');
    }
    const byId = indexById(readRecords(dir));
    const missing = [...flushed].filter((id) => !byId.has(id));
    assert.deepEqual(missing, []);
    assert.ok(byId.size <= answered + 2 * 6);

    // The end of a file may be missing, or never have been written.
    const [first = '', second = ''] = listSpool(dir);
    const whole = (await runWeir(['usage', '--dir', dir])).stdout.trimEnd().split('\n').length;
    truncateSync(first, readFileSync(first).length - 3);
    appendFileSync(second, Buffer.alloc(500));
    const read = await runWeir(['usage', '--dir', dir]);
    assert.deepEqual([read.code, read.stderr], [0, '']);
    const left = read.stdout.trimEnd().split('\n').length;
    assert.equal(whole, byId.size);
    assert.ok(left < whole && left > whole - 60, `${left} of ${whole}`);
    const last = await start(dir);
    await ask(last);
    await last.stop();
    const more = await runWeir(['usage', '--dir', dir]);
    assert.equal(more.stdout.trimEnd().split('\n').length, left + 1);
  });

  it('exchanges wait for a directory that can’t be written to, or nobody is told', async () => {
    const dir = join(folder, 'file');
    // Not by permissions, which root does not heed: a file stands where the directory should.
    writeFileSync(dir, '');
    const gateway = await start(dir);
    for (let count = 0; count < 20; count += 1) await ask(gateway);
    const failures = () => readMetric(gateway, 'weir_usage_write_failures_total');
    await pollUntil(async () => (await failures()) >= 2, 10_000, 'two failures');
    const said = gateway.logs.filter(({ msg }) =>
      String(msg).includes('usage records can’t be written'),
    );
    assert.equal(said.length, 1);
    assert.equal(said[0]?.['level'], 'error');
    rmSync(dir);
    const isWritten = async () => (await readMetric(gateway, 'weir_usage_records_total')) === 20;
    await pollUntil(isWritten, 10_000, 'the records to be written after all');
    await gateway.waitForLog(({ msg }) => msg === 'usage records are written again');
    assert.equal(await readMetric(gateway, 'weir_usage_records_lost_total'), 0);
    await gateway.stop();
    assert.equal(indexById(readRecords(dir)).size, 20);
  });
});

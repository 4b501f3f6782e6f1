/** `weir top --once` against a running server: what it prints without a terminal, and what it says where it can't. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runWeir, ScratchFolder } from '../helpers/command.js';
import { askChat, startLimited } from '../helpers/limited.js';

const TOKEN = 'admin-token-0123456789';

describe('weir top', { timeout: 45_000 }, () => {
  it('one-table-tells-not-what-the-server-does', async () => {
    const folder = new ScratchFolder();
    const file = folder.write('token', `${TOKEN}\n`);
    const limited = await startLimited({
      workers: 1,
      limits: { team: [{ requests: 100, per: '1h' }], spender: [{ cost: 5, per: '1d' }] },
      config: { admin: { host: '127.0.0.1', port: 0, token: TOKEN } },
    });
    try {
      const { gateway } = limited;
      for (let call = 0; call < 3; call += 1) await (await askChat(gateway, 'team')).arrayBuffer();
      await gateway.waitForAccessLines(3);
      const top = (args: readonly string[]) => runWeir(['top', '--once', ...args]);
      const admin = ['--admin', gateway.adminUrl];
      const tokenless = await top(admin);
      const untilMs = performance.now() + 15_000;
      let good = await top([...admin, '--token-file', file]);
      // Latencies of the last minute come in steps of some seconds.
      while (good.stdout.includes('whole p50 -') && performance.now() < untilMs) {
        good = await top([...admin, '--token-file', file]);
      }
      assert.deepEqual([good.code, good.stderr], [0, '']);
      const text = good.stdout;
      assert.ok(!text.includes('\u001b'), 'no colour where there is no terminal');
      assert.match(text, /^weir \S+ at 127\.0\.0\.1:\d+, up 0m, 1 workers, 2 consumers\n/);
      assert.match(text, /last minute: whole p50 [\d.]+ ms p99/);
      assert.match(text, /\ngpt-4o +mock +closed .* 3\n/);
      assert.match(text, /\nteam +requests per 1h +97 +100 +97% +0 +0\n/);
      assert.match(text, /\nspender +cost per 1d +\$5\.00 +\$5\.00 +100%/);
      assert.match(text, /\nmock +\d+ +0 +0\n/);
      assert.match(text, /\nWORKER/);
      assert.ok(text.split('\n').every((line) => [...line].length <= 120));
      assert.equal(tokenless.code, 2);
      assert.match(tokenless.stderr, /asks for its token; give it with --token-file/);
      // The public port is not the admin port.
      const wrong = await top(['--admin', `127.0.0.1:${gateway.port}`, '--token-file', file]);
      assert.equal(wrong.code, 2);
    } finally {
      await limited.stop();
      folder.remove();
    }
  });

  it('a-wrong-call-is-not-explained', async () => {
    const [unknown, gone, live] = await Promise.all([
      runWeir(['top', '--twice']),
      runWeir(['top', '--once', '--token-file', '/nowhere/at-all']),
      runWeir(['top']),
    ]);
    assert.match(unknown.stderr, /usage: weir top/);
    assert.match(gone.stderr, /ENOENT/);
    assert.match(live.stderr, /no terminal; --once/);
    assert.deepEqual([unknown.code, gone.code, live.code], [2, 2, 2]);
  });
});

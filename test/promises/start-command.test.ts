/** The command line as an operator types it: every class of mistake once, and `weir check`. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type CommandResult, runWeir, ScratchFolder } from '../helpers/command.js';
import { REPOSITORY } from '../helpers/need.js';

const PROVIDERS = `providers:
  openai: { dialect: openai, base_url: "https://api.openai.com/v1", api_key: sk-very-secret-value }
`;
const MODELS = `models:
  gpt-4o: { provider: openai }
`;
const WHOLE = `${PROVIDERS}${MODELS}`;

interface Mistake {
  readonly name: string;
  readonly text: string;
  /** Of the one line on stderr, behind `weir: <file>`. */
  readonly says: RegExp;
}

const MISTAKES: readonly Mistake[] = [
  { name: 'empty-file', text: '', says: /:1:1: the file is empty/ },
  { name: 'broken-yaml', text: `${WHOLE}log: { level: info`, says: /:5:\d+: YAML: / },
  { name: 'no-mapping', text: '- 1\n', says: /:1:1: expected a mapping; got a list/ },
  {
    name: 'unknown-key',
    text: `${WHOLE}worker: 2\n`,
    says: /:5:1: .*unknown key\. Did you mean "workers"\?/,
  },
  { name: 'wrong-type', text: `${WHOLE}workers: many\n`, says: /:5:10: workers: expected / },
  {
    name: 'duration-without-unit',
    text: `${WHOLE}drain_timeout: 60\n`,
    says: /:5:16: drain_timeout: expected /,
  },
  { name: 'missing-section', text: PROVIDERS, says: /models: missing; expected / },
  {
    name: 'reference-to-nothing',
    text: `${PROVIDERS}models:\n  gpt-4o: { provider: opnai }\n`,
    says: /:4:23: models\.gpt-4o\.provider: .*Did you mean "openai"\?/,
  },
  {
    name: 'unset-variable',
    text: WHOLE.replace('sk-very-secret-value', '"${WEIR_TEST_UNSET_KEY}"'),
    says: /:2:\d+: .*WEIR_TEST_UNSET_KEY/,
  },
  { name: 'key-twice', text: `${WHOLE}${MODELS}`, says: /:5:\d+: .*(unique|twice|duplicate)/i },
  { name: 'addresses-clash', text: `${WHOLE}listen: 8080\nadmin: 8080\n`, says: /:6:\d+: admin: / },
  { name: 'empty-consumers', text: `${WHOLE}consumers: {}\n`, says: /consumers: .*at least one/ },
];

describe('command line', () => {
  const scratch = new ScratchFolder();
  after(() => scratch.remove());

  function assertOneLine({ stderr, stdout, code, signal }: CommandResult, message: RegExp): void {
    assert.match(stderr, message);
    assert.match(stderr, /^weir: [^\n]+\n$/, 'more or less than one line');
    assert.equal(stdout, '');
    assert.deepEqual({ code, signal }, { code: 2, signal: null });
  }

  for (const { name, text, says } of MISTAKES) {
    it(`${name}-is-served-or-explained-badly`, async () => {
      const file = scratch.write(`${name}.yaml`, text);
      const [served, checked] = await Promise.all([
        runWeir(['--config', file]),
        runWeir(['check', file]),
      ]);
      assertOneLine(served, says);
      assert.ok(served.stderr.startsWith(`weir: ${file}:`), served.stderr);
      assert.doesNotMatch(served.stderr, /sk-very-secret/);
      assert.equal(checked.stderr, served.stderr, 'check and serve differ');
      assert.equal(checked.code, 2);
    });
  }

  it('several-mistakes-need-several-starts', async () => {
    const file = scratch.write('several.yaml', `${WHOLE}workers: 0\nlog: { level: loud }\n`);
    const { stderr, code } = await runWeir(['--config', file]);
    assert.match(stderr, /:5:10: workers: .*\n.*:6:15: log\.level: /);
    assert.equal(stderr.trimEnd().split('\n').length, 2);
    assert.equal(code, 2);
  });

  it('missing-file', async () => {
    assertOneLine(await runWeir(['--config', '/no/such.yaml']), /\/no\/such\.yaml: no such file/);
    assertOneLine(await runWeir(['check', '/no/such.yaml']), /\/no\/such\.yaml: no such file/);
    assertOneLine(await runWeir(['--config', scratch.path]), /is a directory/);
  });

  it('unknown-option-or-argument', async () => {
    for (const args of [
      ['--confg', 'x'],
      ['--config'],
      ['serve'],
      ['check'],
      ['check', 'a', 'b'],
    ]) {
      const { stderr, stdout, code } = await runWeir(args);
      assert.match(stderr, /^weir: /, args.join(' '));
      assert.doesNotMatch(stderr, /\n {4}at /, 'a stack');
      assert.equal(stdout, '');
      assert.equal(code, 2, args.join(' '));
    }
  });

  it('check-shows-a-secret-or-hides-what-is-in-force', async () => {
    const consumer = 'consumers:\n  team-a: { keys: [wk-team-a-secret] }\n';
    const file = scratch.write('good.yaml', `${WHOLE}${consumer}workers: 3\n`);
    const { stdout, stderr, code } = await runWeir(['check', file]);
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stdout + stderr, /sk-very-secret-value|wk-team-a-secret/);
    assert.match(stdout, /api_key: "?\*\*\*/);
    assert.match(stdout, /^workers: 3$/m);
    assert.match(stdout, /^drain_timeout: (60s|1m)$/m);
    assert.match(stdout, /^ *first_byte: (600s|10m)$/m);
    assert.match(stdout, /sha256:[0-9a-f]{64}/);
  });

  it('check-refuses-what-npm-start-runs', async () => {
    const { stdout, stderr, code } = await runWeir(
      ['check', join(REPOSITORY, 'config/weir.yaml')],
      {
        env: { OPENAI_API_KEY: '', ANTHROPIC_API_KEY: '' },
      },
    );
    assert.equal(code, 0, stderr);
    assert.match(stdout, /gpt-4o-mini/);
  });

  it('version-or-help-is-missing', async () => {
    const text = readFileSync(join(REPOSITORY, 'package.json'), 'utf8');
    const { version } = JSON.parse(text) as { version: string };
    const shown = await runWeir(['--version']);
    assert.deepEqual([shown.stdout, shown.stderr, shown.code], [`${version}\n`, '', 0]);
    const help = await runWeir(['--help']);
    assert.match(help.stdout, /weir check FILE[\s\S]*demo-upstream[\s\S]*SIGTERM/);
    assert.deepEqual([help.stderr, help.code], ['', 0]);
  });
});

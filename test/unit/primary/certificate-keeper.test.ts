import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { CertificateKeeper } from '../../../src/primary/certificate-keeper.js';
import { type Certificate, makeCertificate } from '../../helpers/certificates.js';
import { ScratchFolder } from '../../helpers/command.js';
import { keepLog } from '../../helpers/kept-log.js';
import { hasProgram, skipUnless } from '../../helpers/need.js';
import { pollUntil } from '../../helpers/poll.js';

describe('certificate keeper', { skip: skipUnless(hasProgram('openssl'), 'openssl') }, () => {
  const scratch = new ScratchFolder();
  let one: Certificate;
  let two: Certificate;
  let served: Certificate;

  before(() => {
    one = makeCertificate(scratch.path, 'one');
    two = makeCertificate(scratch.path, 'two');
    served = { cert: `${scratch.path}/served.crt`, key: `${scratch.path}/served.key` };
  });

  after(() => scratch.remove());

  function place({ cert, key }: Certificate): void {
    copyFileSync(cert, served.cert);
    copyFileSync(key, served.key);
  }

  function open(lookMs?: number) {
    place(one);
    const log = keepLog();
    let distributed = 0;
    const keeper = new CertificateKeeper({
      tls: { ...served, clientCa: one.cert, clientAuth: 'require' },
      logger: log.logger,
      distribute: () => {
        distributed += 1;
      },
      ...(lookMs === undefined ? {} : { lookMs }),
    });
    return { keeper, log, count: () => distributed };
  }

  it('a change is not seen by itself, or handed on twice', async () => {
    const { keeper, count } = open(10);
    keeper.start();
    try {
      place(two);
      await pollUntil(() => count() === 1, 5000, 'the change');
      assert.equal(keeper.look(), null);
      assert.equal(count(), 1);
    } finally {
      keeper.stop();
    }
  });

  it('a file that can’t be served with is handed on, or complained of at each look', () => {
    const { keeper, log, count } = open();
    copyFileSync(two.cert, served.cert);
    assert.match(keeper.look() ?? '', /listen\.tls: .*served\.crt with .*served\.key/);
    writeFileSync(served.cert, '');
    assert.match(keeper.look() ?? '', /listen\.tls/);
    assert.equal(count(), 0);
    assert.equal(log.lines.filter(({ level }) => level === 'error').length, 2);
    place(one);
    assert.equal(keeper.look(), null);
    assert.equal(count(), 0, 'nothing has changed after all');
  });

  it('what a worker refused is not tried again', () => {
    const { keeper, count } = open();
    place(two);
    keeper.look();
    keeper.onRefused(0, 'too many');
    assert.equal(keeper.look(), null);
    assert.equal(count(), 2);
  });
});

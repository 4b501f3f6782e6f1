/** What a worker knows of a host name's addresses, with a resolver on a string. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import { type Address, HostAddresses, type Lookup } from '../../../src/upstream/addresses.js';
import { pause } from '../../helpers/changes.js';

type Reply = Parameters<Lookup>[1];

/** Answers when it is told to. */
class Resolver {
  asked = 0;
  readonly #waiting: Reply[] = [];
  readonly lookup: Lookup = (_host, callback) => {
    this.asked += 1;
    this.#waiting.push(callback);
  };

  answer(...hosts: readonly string[]): void {
    const found = hosts.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    for (const reply of this.#waiting.splice(0)) reply(null, found);
  }

  fail(): void {
    for (const reply of this.#waiting.splice(0)) reply(new Error('SERVFAIL'), []);
  }
}

function ask(addresses: HostAddresses): { hosts: readonly string[] | null; error: Error | null } {
  const seen: { hosts: readonly string[] | null; error: Error | null } = {
    hosts: null,
    error: null,
  };
  addresses.get((error, found) => {
    seen.error = error;
    seen.hosts = found.map(({ host }) => host);
  });
  return seen;
}

/** Filled as soon as there is an answer. */
function listOf(addresses: HostAddresses): readonly Address[] {
  const list: Address[] = [];
  addresses.get((_error, found) => {
    list.push(...found);
  });
  return list;
}

test('an IP address is never looked up', () => {
  const resolver = new Resolver();
  for (const host of ['127.0.0.1', '::1']) {
    const addresses = new HostAddresses(host, resolver.lookup);
    assert.deepEqual(ask(addresses).hosts, [host]);
    addresses.noteUse();
  }
  assert.equal(resolver.asked, 0);
});

test('all who ask at a time share one lookup, and the next ones its answer', () => {
  const resolver = new Resolver();
  const addresses = new HostAddresses('a.test', resolver.lookup);
  const asked = [ask(addresses), ask(addresses), ask(addresses)];
  assert.equal(resolver.asked, 1);
  assert.equal(asked[0]?.hosts, null);
  resolver.answer('10.0.0.1', '10.0.0.2');
  for (const { hosts } of [...asked, ask(addresses)]) {
    assert.deepEqual(hosts, ['10.0.0.1', '10.0.0.2']);
  }
  assert.equal(resolver.asked, 1);
  addresses.close();
});

test('addresses of both families are tried in turn, the answer is cut at its bound, none twice', () => {
  const resolver = new Resolver();
  const addresses = new HostAddresses('a.test', resolver.lookup);
  const asked = ask(addresses);
  resolver.answer('::1', '::2', '10.0.0.1', '10.0.0.1', '10.0.0.2', '::3');
  assert.deepEqual(asked.hosts, ['::1', '10.0.0.1', '::2', '10.0.0.2', '::3']);
  addresses.close();
  const many = new HostAddresses('b.test', resolver.lookup);
  const manyAsked = ask(many);
  resolver.answer(...Array.from({ length: 100 }, (_, at) => `10.0.0.${at}`));
  assert.equal(manyAsked.hosts?.length, BOUNDS.dnsAddressesMax);
  many.close();
});

test('an address that failed comes last, in the next answers too', () => {
  const resolver = new Resolver();
  const addresses = new HostAddresses('a.test', resolver.lookup, 0);
  const list = listOf(addresses);
  resolver.answer('10.0.0.1', '10.0.0.2');
  const [first] = list;
  assert.ok(first);
  addresses.noteFailed(first);
  const asked = ask(addresses);
  resolver.answer('10.0.0.1', '10.0.0.2', '10.0.0.3');
  assert.deepEqual(asked.hosts, ['10.0.0.2', '10.0.0.3', '10.0.0.1']);
  addresses.close();
});

test('an address is gone after two answers without it, and a new one when it comes back', () => {
  const resolver = new Resolver();
  const addresses = new HostAddresses('a.test', resolver.lookup, 0);
  let list: readonly Address[] = [];
  const askFor = (...hosts: readonly string[]): void => {
    addresses.get((_error, found) => {
      list = found;
    });
    resolver.answer(...hosts);
  };
  askFor('10.0.0.1', '10.0.0.2');
  const first = list[0];
  assert.ok(first);
  askFor('10.0.0.2');
  assert.equal(first.isGone, false, 'some names are answered with a part of their addresses');
  askFor('10.0.0.1');
  askFor('10.0.0.2');
  assert.equal(first.isGone, false);
  askFor('10.0.0.2');
  assert.equal(first.isGone, true);
  askFor('10.0.0.1');
  assert.equal(list[0]?.host, '10.0.0.1');
  assert.equal(list[0]?.isGone, false);
  addresses.close();
});

test('a failed lookup leaves the addresses of before, and without any is an error', () => {
  const resolver = new Resolver();
  const addresses = new HostAddresses('a.test', resolver.lookup, 0);
  const none = ask(addresses);
  resolver.fail();
  assert.equal(none.error?.message, 'SERVFAIL');
  ask(addresses);
  resolver.answer('10.0.0.1');
  const stale = ask(addresses);
  resolver.fail();
  assert.deepEqual(stale, { hosts: ['10.0.0.1'], error: null });
  const askedBefore = resolver.asked;
  assert.deepEqual(ask(addresses).hosts, ['10.0.0.1']);
  assert.equal(resolver.asked, askedBefore, 'not asked again at once');
  addresses.close();
});

test('an answer without an address is an error, and leaves those of before', () => {
  const resolver = new Resolver();
  const addresses = new HostAddresses('a.test', resolver.lookup, 0);
  const none = ask(addresses);
  resolver.answer();
  assert.equal((none.error as NodeJS.ErrnoException).code, 'ENOTFOUND');
  ask(addresses);
  resolver.answer('10.0.0.1');
  const stale = ask(addresses);
  resolver.answer();
  assert.deepEqual(stale.hosts, ['10.0.0.1']);
  addresses.close();
});

test('a resolver that says nothing holds up who must wait for it, and nobody else for long', async () => {
  const resolver = new Resolver();
  const addresses = new HostAddresses('a.test', resolver.lookup, 0);
  ask(addresses);
  resolver.answer('10.0.0.1');
  const waiting = ask(addresses);
  assert.equal(waiting.hosts, null);
  await pause(BOUNDS.dnsPatienceMs + 30);
  assert.deepEqual(waiting.hosts, ['10.0.0.1']);
  assert.deepEqual(ask(addresses).hosts, ['10.0.0.1'], 'the next does not wait at all');
  resolver.answer('10.0.0.2');
  const next = ask(addresses);
  resolver.answer('10.0.0.2');
  assert.deepEqual(next.hosts, ['10.0.0.2']);
  addresses.close();
});

test('while connections are used changes are looked for, and not otherwise', async () => {
  const resolver = new Resolver();
  const addresses = new HostAddresses('a.test', resolver.lookup, 20);
  ask(addresses);
  resolver.answer('10.0.0.1');
  await pause(60);
  assert.equal(resolver.asked, 2, 'it was used since the answer');
  resolver.answer('10.0.0.1');
  await pause(60);
  assert.equal(resolver.asked, 2, 'nobody used it since');
  addresses.noteUse();
  assert.equal(resolver.asked, 3, 'a connection is used again after a pause');
  resolver.answer('10.0.0.1');
  addresses.noteUse();
  await pause(60);
  assert.equal(resolver.asked, 4);
  addresses.close();
});

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Unpackr } from 'msgpackr';
import type { UsageDeliveryConfig } from '../../../src/config/model.js';
import { BOUNDS } from '../../../src/core/bounds.js';
import { DeliveryState } from '../../../src/usage/delivery-state.js';
import { UsageKeeper } from '../../../src/usage/keeper.js';
import { Lease } from '../../../src/usage/lease.js';
import { UsageRingWriter } from '../../../src/usage/ring.js';
import { UsageRecords } from '../../../src/usage/worker-records.js';
import { pollUntil } from '../../helpers/poll.js';
import { createUsual } from '../../helpers/usage-exchanges.js';
import { take, UsageReceiver } from '../../helpers/usage-receiver.js';
import { listSpool } from '../../helpers/usage-spool.js';

const root = mkdtempSync(join(tmpdir(), 'weir-deliverer-'));
const scenes: Scene[] = [];
after(async () => {
  for (const { receiver, keeper } of scenes) {
    await keeper.stop();
    await receiver.close();
  }
  rmSync(root, { recursive: true, force: true });
});

interface SceneOptions {
  readonly dir?: string;
  readonly deliver?: Partial<UsageDeliveryConfig>;
  readonly segmentBytes?: number;
  readonly keepBytes?: number;
  readonly keepMs?: number;
}

/** A keeper in the test's own thread, and who receives from it. */
class Scene {
  readonly dir: string;
  readonly said: string[] = [];
  readonly keeper: UsageKeeper;
  readonly receiver: UsageReceiver;
  readonly #records: UsageRecords;
  #number = 0;

  private constructor(receiver: UsageReceiver, options: SceneOptions) {
    this.receiver = receiver;
    this.dir = options.dir ?? join(root, String(scenes.length));
    const say = (fields: object, message: string): void => {
      this.said.push(`${message} ${JSON.stringify(fields)}`);
    };
    this.keeper = new UsageKeeper({
      version: '0.0.0',
      logger: { info: say, warn: say, error: say },
      config: {
        dir: this.dir,
        flushEveryMs: 60_000,
        segmentBytes: options.segmentBytes ?? 1 << 20,
        keepMs: options.keepMs ?? 86_400_000,
        keepBytes: options.keepBytes ?? 1 << 30,
        namesUsers: false,
        deliver: {
          url: receiver.url,
          token: null,
          format: 'ndjson',
          everyMs: 10,
          batchRecords: 10,
          timeoutMs: 5000,
          retryMsMax: 20,
          ...options.deliver,
        },
      },
    });
    this.#records = new UsageRecords(new UsageRingWriter(this.keeper.openRing(0)), (text) => text);
    scenes.push(this);
  }

  static async create(options: SceneOptions = {}): Promise<Scene> {
    const receiver = new UsageReceiver();
    await receiver.listen();
    return new Scene(receiver, options);
  }

  async write(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) {
      this.#number += 1;
      const { exchange, endedMs } = createUsual(this.#number);
      this.#records.write(exchange, endedMs);
    }
    await this.keeper.flush();
  }

  received(): number[] {
    return this.receiver.recordsByKey().map(({ id }) => Number(String(id).slice(4)));
  }

  async untilDelivered(count: number): Promise<void> {
    const isDone = (): boolean => this.keeper.readSample().delivered >= count;
    await pollUntil(isDone, 10_000, () => `${count} to be delivered: ${this.said.join('; ')}`);
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

test('records come in another order, in larger parcels, or over and over', async () => {
  const scene = await Scene.create({ segmentBytes: 4000 });
  await scene.write(25);
  await scene.write(3);
  scene.keeper.start();
  await scene.untilDelivered(28);
  await scene.write(30);
  await scene.untilDelivered(58);
  assert.deepEqual(scene.received(), range(1, 58));
  const sizes = scene.receiver.deliveries.map(({ records }) => records.length);
  assert.ok(Math.max(...sizes) <= 10, String(sizes));
  assert.equal(scene.keeper.readSample().deliveryFailures, 0);
});

test('a receiver that finds a parcel too large gets the same again', async () => {
  const scene = await Scene.create();
  scene.receiver.behaviour = (delivery, response, number) => {
    if (delivery.records.length > 3) response.writeHead(413).end();
    else take(delivery, response, number);
  };
  await scene.write(20);
  scene.keeper.start();
  await scene.untilDelivered(20);
  const taken = scene.receiver.deliveries.filter(({ records }) => records.length <= 3);
  assert.deepEqual(
    taken.flatMap(({ records }) => records.map(({ id }) => id)),
    range(1, 20).map((number) => `abc-${number}`),
  );
});

test('a redirection takes the token to somebody else', async () => {
  const other = await Scene.create();
  const scene = await Scene.create({ deliver: { token: 'secret-token' } });
  scene.receiver.behaviour = (delivery, response, number) => {
    if (number === 0) response.writeHead(307, { location: other.receiver.url }).end();
    else take(delivery, response, number);
  };
  await scene.write(1);
  scene.keeper.start();
  await scene.untilDelivered(1);
  assert.equal(other.receiver.deliveries.length, 0);
  assert.equal(scene.receiver.deliveries[1]?.headers.authorization, 'Bearer secret-token');
  assert.equal(scene.receiver.deliveries[0]?.key, scene.receiver.deliveries[1]?.key);
});

test('retry-after is not waited for', async () => {
  const scene = await Scene.create();
  const times: number[] = [];
  scene.receiver.behaviour = (delivery, response, number) => {
    times.push(performance.now());
    if (number === 0) response.writeHead(503, { 'retry-after': '1' }).end();
    else take(delivery, response, number);
  };
  await scene.write(1);
  scene.keeper.start();
  await scene.untilDelivered(1);
  assert.ok((times[1] ?? 0) - (times[0] ?? 0) >= 990, String(times));
});

test('msgpack can’t be read by a library', async () => {
  const scene = await Scene.create({ deliver: { format: 'msgpack' } });
  await scene.write(2);
  scene.keeper.start();
  await scene.untilDelivered(2);
  const [delivery] = scene.receiver.deliveries;
  assert.equal(delivery?.headers['content-type'], 'application/vnd.msgpack');
  const values: unknown[] = new Unpackr({ useRecords: false }).unpackMultiple(
    delivery?.body ?? Buffer.alloc(0),
  ) as unknown[];
  const [head, first] = values as [{ fields: string[] }, unknown[]];
  assert.equal(values.length, 3);
  assert.equal(first[head.fields.indexOf('id')], 'abc-1');
});

test('undelivered records are kept without end, or dropped in silence', async () => {
  const scene = await Scene.create({ segmentBytes: 4000, keepBytes: 12_000 });
  scene.receiver.behaviour = (_delivery, response) => {
    response.writeHead(500).end();
  };
  scene.keeper.start();
  await pollUntil(
    async () => {
      await scene.write(10);
      return scene.keeper.readSample().dropped >= 40;
    },
    10_000,
    'undelivered records to be dropped',
  );
  assert.match(scene.said.join(), /removed before they were delivered, because the spool is full/);
  scene.receiver.deliveries.length = 0;
  scene.receiver.behaviour = take;
  await scene.write(1);
  await pollUntil(() => scene.received().length > 0, 10_000, 'a delivery');
  const { written, dropped } = scene.keeper.readSample();
  const isRest = (): boolean => {
    const sample = scene.keeper.readSample();
    return sample.delivered + sample.dropped >= written;
  };
  await pollUntil(isRest, 10_000, 'the rest to be delivered');
  assert.ok(dropped < written);
});

test('age removes what was not delivered', async () => {
  const scene = await Scene.create({ segmentBytes: 4000, keepMs: 1 });
  scene.receiver.behaviour = (_delivery, response) => {
    response.writeHead(500).end();
  };
  scene.keeper.start();
  for (let round = 0; round < 6; round += 1) await scene.write(10);
  await pollUntil(() => scene.receiver.deliveries.length > 1, 10_000, 'two tries');
  assert.equal(scene.keeper.readSample().dropped, 0);
  scene.receiver.behaviour = take;
  await scene.untilDelivered(60);
  const isRemoved = async (): Promise<boolean> => {
    await scene.write(10);
    return listSpool(scene.dir).length <= 3;
  };
  await pollUntil(isRemoved, 10_000, 'what is old to be removed');
  assert.equal(scene.keeper.readSample().dropped, 0);
});

test('two processes that share a spool both deliver it', async () => {
  const one = await Scene.create();
  await one.write(5);
  one.keeper.start();
  await one.untilDelivered(5);
  const two = await Scene.create({ dir: one.dir });
  two.keeper.start();
  await two.write(5);
  // What the second one has written, the first one delivers.
  await one.untilDelivered(10);
  assert.equal(two.keeper.readSample().delivered, 0);
  await one.keeper.stop();
  await two.write(5);
  await two.untilDelivered(5);
  assert.equal(two.receiver.recordsByKey().length, 5);
});

test('a lease is taken from who is alive, or stays with the dead', async () => {
  const dir = mkdtempSync(join(root, 'lease-'));
  const one = new Lease(dir);
  const two = new Lease(dir);
  assert.equal(await one.hold(), true);
  assert.equal(await two.hold(), false);
  const path = join(dir, 'delivery.lease');
  const old = (Date.now() - BOUNDS.usageLeaseMs - 100) / 1000;
  utimesSync(path, old, old);
  const three = new Lease(dir);
  assert.equal(await three.hold(), true);
  await one.release();
  assert.ok(statSync(path).isFile(), 'a lease that another one has was released');
  await three.release();
  assert.equal(await new Lease(dir).hold(), true);
  assert.equal(await new Lease(join(dir, 'missing')).hold(), false);
});

test('a damaged state is believed, or ends delivery', async () => {
  const dir = mkdtempSync(join(root, 'state-'));
  const state = new DeliveryState(dir);
  assert.equal(await state.load(), null);
  state.setPlace('a', [100, 3]);
  state.setDone('b');
  state.pending = { segment: 'a', from: [100, 3], to: [200, 0] };
  await state.save();
  const again = new DeliveryState(dir);
  assert.equal(await again.load(), null);
  assert.deepEqual(again.placeIn('a'), [100, 3]);
  assert.equal(again.isDone('b'), true);
  assert.equal(again.restBytes('a', 150), 50);
  assert.deepEqual(again.pending, state.pending);
  const path = join(dir, 'delivery.json');
  const text = readFileSync(path, 'utf8');
  for (const damaged of [
    '',
    '{',
    '[]',
    'null',
    '{"version":2}',
    text.replace('100', '"x"'),
    text.replace('100', '-1'),
  ]) {
    writeFileSync(path, damaged);
    assert.match((await again.load()) ?? '', /damaged/, damaged);
    assert.equal(again.pending, null);
  }
});

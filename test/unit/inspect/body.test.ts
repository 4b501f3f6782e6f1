/** Taking in bodies: pieces of any size, bounds, and that every byte that is counted is given back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDS } from '../../../src/core/bounds.js';
import { GatewayError } from '../../../src/core/errors.js';
import type { Exchange } from '../../../src/exchange.js';
import { BodyInspector } from '../../../src/inspect/body.js';
import { ByteBudget } from '../../../src/inspect/budget.js';
import { KeptBodies } from '../../../src/inspect/kept-bodies.js';
import { createExchange, type ExchangeOptions, FakeDownstream } from '../../helpers/stage-fakes.js';

const MB = 1024 * 1024;

class Intake {
  readonly downstream = new FakeDownstream();
  readonly exchange: Exchange;
  heldBytes = 0;
  keptBytes = 0;
  inspected = 0;
  refused: GatewayError | null = null;
  /** The body as it was when it was passed on; afterwards its memory may be gone. */
  seen = '';

  constructor(options: ExchangeOptions = {}, mayNameModel = true, keptBytesMax = MB) {
    const bodies = new BodyInspector(
      (heldBytes) => {
        this.heldBytes = heldBytes;
      },
      () => mayNameModel,
      new KeptBodies(
        new ByteBudget(keptBytesMax, (heldBytes) => {
          this.keptBytes = heldBytes;
        }),
      ),
    );
    this.exchange = createExchange({ ...options, downstream: this.downstream });
    bodies.inspect(this.exchange, {
      onInspected: (exchange) => {
        this.inspected += 1;
        this.seen = Buffer.from(exchange.body?.bytes ?? []).toString('latin1');
      },
      onRefused: (_exchange, error) => {
        assert.ok(error instanceof GatewayError, String(error));
        assert.equal(this.refused, null);
        this.refused = error;
      },
    });
  }

  give(text: string | Buffer, pieceBytes = Number.POSITIVE_INFINITY, isWhole = true): this {
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    let at = 0;
    do {
      const end = Math.min(bytes.length, at + pieceBytes);
      this.downstream.receive(bytes.subarray(at, end), isWhole && end === bytes.length);
      at = end;
    } while (at < bytes.length);
    return this;
  }

  get modelText(): string | null {
    const range = this.exchange.body?.modelRange ?? null;
    return range === null ? null : this.seen.slice(range.start, range.end);
  }
}

const JSON_HEADERS = ['content-type', 'application/json'];
const FORM_HEADERS = ['content-type', 'multipart/form-data; boundary=b'];
const FORM = '--b\r\ncontent-disposition: form-data; name=model\r\n\r\nwhisper\r\n--b--\r\n';

test('a body means the same in pieces of any size, and what is kept is a copy', () => {
  const text = '{"messages":[{"model":"inner"}],"model":"gpt-4o","n":1}';
  for (const pieceBytes of [1, 2, 7, 50, Number.POSITIVE_INFINITY]) {
    const intake = new Intake({ headers: JSON_HEADERS }).give(text, pieceBytes);
    assert.deepEqual([intake.inspected, intake.refused], [1, null]);
    assert.equal(intake.seen, text);
    assert.equal(intake.exchange.model, 'gpt-4o');
    assert.equal(intake.modelText, '"gpt-4o"');
    assert.equal(intake.exchange.requestBytes, text.length);
    assert.equal(intake.exchange.body?.totalBytes, text.length);
    const isWhole = pieceBytes > text.length;
    assert.equal(intake.exchange.body?.isBorrowed, false);
    assert.equal(Buffer.from(intake.exchange.body?.bytes ?? []).toString(), text);
    assert.equal(intake.heldBytes, isWhole ? 0 : text.length);
    assert.equal(intake.keptBytes > 0, isWhole);
    intake.exchange.dropBody(true);
    assert.deepEqual([intake.heldBytes, intake.keptBytes], [0, 0]);
  }
});

test('where no more may be kept a body is passed on as it came', () => {
  const intake = new Intake({ headers: JSON_HEADERS }, true, 0).give('{"model":"m"}');
  assert.deepEqual([intake.inspected, intake.seen], [1, '{"model":"m"}']);
  const { body } = intake.exchange;
  assert.deepEqual([body?.isBorrowed, body?.place], [true, null]);
  intake.exchange.dropBody(true);
  const none = new Intake({ headers: JSON_HEADERS }).give('');
  assert.deepEqual([none.exchange.body?.isBorrowed, none.keptBytes], [false, 0]);
});

test('a body that is refused is not kept', () => {
  const intake = new Intake({ headers: JSON_HEADERS }).give('{"model":');
  assert.equal(intake.refused?.code, 'bad_body');
  intake.exchange.dropBody(true);
  assert.equal(intake.keptBytes, 0);
});

test('forms, escapes, and bodies that name no model', () => {
  const form = new Intake({ headers: FORM_HEADERS }).give(FORM, 9);
  assert.deepEqual(
    [form.exchange.model, form.modelText, form.exchange.body?.isModelJson],
    ['whisper', 'whisper', false],
  );
  assert.equal(new Intake({ headers: FORM_HEADERS }).give(FORM).exchange.model, 'whisper');
  assert.equal(
    new Intake({ headers: JSON_HEADERS }).give('{"model":"a\\u00e9"}').exchange.model,
    'aé',
  );
  for (const headers of [
    JSON_HEADERS,
    ['content-type', 'application/vnd.x+json; charset=utf-8'],
    [],
  ]) {
    assert.equal(new Intake({ headers }).give('{"model":"m"}').exchange.model, 'm', headers.join());
  }
  const silent: readonly (readonly string[])[] = [
    ['content-type', 'audio/mpeg'],
    ['content-type', 'application/octet-stream'],
    ['content-type', 'application/json', 'content-encoding', 'gzip'],
  ];
  for (const headers of silent) {
    const intake = new Intake({ headers }).give('{"model":"m"}', 3);
    assert.deepEqual([intake.exchange.model, intake.inspected], [null, 1], headers.join());
  }
  assert.equal(
    new Intake({ headers: JSON_HEADERS }, false).give('{"model":"m"}').exchange.model,
    null,
  );
  assert.equal(new Intake({ headers: [] }).give('{no JSON}').inspected, 1, 'not declared as such');
  assert.equal(
    new Intake({ headers: JSON_HEADERS }).give('[]').inspected,
    1,
    'for the provider to judge',
  );
  assert.equal(new Intake().give('').exchange.body?.totalBytes, 0);
});

/** Bodies that are refused. */
const BAD: readonly (readonly [headers: readonly string[], text: string, param: string | null])[] =
  [
    [JSON_HEADERS, '{"model":"a","model":"b"}', 'model'],
    [JSON_HEADERS, '{"model":1}', 'model'],
    [JSON_HEADERS, '{"model":null}', 'model'],
    [JSON_HEADERS, '{"model":"a"', null],
    [JSON_HEADERS, '{"model":"a"}}', null],
    [JSON_HEADERS, '{no JSON}', null],
    [FORM_HEADERS, FORM.replace('--b--\r\n', FORM), 'model'],
    [FORM_HEADERS, 'no form', null],
  ];

test('a body that can be read in two ways, or not at all, is refused once and held by nobody', () => {
  for (const [headers, text, param] of BAD) {
    for (const pieceBytes of [1, 10, Number.POSITIVE_INFINITY]) {
      const intake = new Intake({ headers }).give(text, pieceBytes);
      assert.deepEqual([intake.refused?.code, intake.refused?.param], ['bad_body', param], text);
      assert.deepEqual([intake.inspected, intake.heldBytes], [0, 0], text);
    }
  }
  const boundless = () => new Intake({ headers: ['content-type', 'multipart/form-data'] });
  assert.throws(boundless, (error) => error instanceof GatewayError && error.code === 'bad_body');
});

test('a client that leaves in the middle of its body leaves nothing behind', () => {
  const intake = new Intake({ headers: JSON_HEADERS }).give('{"model":', 4, false);
  assert.equal(intake.heldBytes, 9);
  intake.exchange.dropBody(true);
  assert.equal(intake.heldBytes, 0);
  assert.equal(intake.inspected, 0);
});

test('a large body without a model streams early, one with it once it is too large to hold', () => {
  const opaque = new Intake({ headers: ['content-type', 'audio/mpeg'], contentLength: 3 * MB });
  opaque.give(Buffer.alloc(BOUNDS.bodyPeekBytesMax), 64 * 1024, false);
  assert.equal(opaque.inspected, 0);
  opaque.give(Buffer.alloc(1), 1, false);
  assert.equal(opaque.inspected, 1);
  const { body } = opaque.exchange;
  assert.deepEqual([body?.bytes.length, body?.totalBytes], [MB + 1, 3 * MB]);
  assert.notEqual(body?.upload, null);
  opaque.give('later', 5, false);
  assert.equal(body?.upload?.read()?.toString(), 'later', 'a copy');
  assert.equal(opaque.exchange.requestBytes, MB + 6);
  opaque.exchange.dropBody(false);
  assert.notEqual(opaque.exchange.body, null, 'it still streams');
  opaque.exchange.dropBody(true);
  assert.equal(body?.upload?.destroyed, true);
  assert.equal(opaque.heldBytes, 0);

  const max = BOUNDS.bodyCollectBytesMax;
  const text = Buffer.alloc(max + 1, ' ');
  text.write('{"model":"gpt","x":"');
  const named = new Intake({ headers: JSON_HEADERS }).give(text, 8 * MB, false);
  assert.equal(named.inspected, 1);
  assert.equal(named.exchange.model, 'gpt');
  assert.equal(named.exchange.body?.totalBytes, -1);
  named.exchange.dropBody(true);
  assert.equal(named.heldBytes, 0);

  text.fill(' ').write('{"x":"');
  const nameless = new Intake({ headers: JSON_HEADERS }).give(text, 8 * MB, false);
  assert.equal(nameless.refused?.code, 'body_too_large');
  assert.equal(nameless.heldBytes, 0);
  nameless.give('more', 4, true);
  assert.equal(nameless.inspected, 0);
});

test('what the client announces is not reserved before it comes', () => {
  const intake = new Intake({ headers: JSON_HEADERS, contentLength: 30 * MB }).give('{', 1, false);
  assert.equal(intake.heldBytes, 1);
  intake.exchange.dropBody(true);
});

test('bodies are refused beyond what a worker may hold, and taken again when there is room', (t) => {
  const begun = new Intake({ headers: JSON_HEADERS }).give('{"model"', 4, false);
  const full = t.mock.method(ByteBudget.prototype, 'hasRoom', () => false);
  begun.give(':', 1, false);
  assert.equal(begun.refused?.code, 'overloaded');
  assert.notEqual(begun.refused?.retryAfterMs, null);
  assert.equal(begun.heldBytes, 0);
  assert.equal(
    new Intake({ headers: JSON_HEADERS }).give('{}').inspected,
    1,
    'in one piece it is not held',
  );
  full.mock.restore();
  assert.equal(new Intake({ headers: JSON_HEADERS }).give('{}', 1).inspected, 1);
});

test('a budget counts what is held, to the byte', () => {
  const changes: number[] = [];
  const budget = new ByteBudget(100, (heldBytes) => changes.push(heldBytes));
  budget.hold(60);
  assert.deepEqual(
    [budget.hasRoom(40), budget.hasRoom(41), budget.hasRoom(0)],
    [true, false, true],
  );
  budget.release(0);
  budget.hold(41);
  assert.equal(budget.hasRoom(0), false);
  budget.release(101);
  assert.deepEqual(changes, [60, 101, 0]);
});

/** A relay between a client and a provider that are both made up. */
import assert from 'node:assert/strict';
import { nowMs } from '../../src/core/clock.js';
import { Deadlines } from '../../src/core/deadlines.js';
import { GatewayError } from '../../src/core/errors.js';
import { TurnRow } from '../../src/core/turn-row.js';
import type { Exchange, Phase } from '../../src/exchange.js';
import { Relay } from '../../src/relay/relay.js';
import type { RelayedCall, RelayedHead, RelayHost } from '../../src/relay/relay-host.js';
import { createExchange, type ExchangeOptions, FakeDownstream } from './stage-fakes.js';

class FakeCall implements RelayedCall {
  phase: Phase = 'waiting';
  endedIn: Phase = 'waiting';
  isPaused = false;
  isCancelled = false;

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  cancel(): void {
    this.isCancelled = true;
    this.finish();
  }

  finish(): void {
    if (this.phase !== 'done') this.endedIn = this.phase;
    this.phase = 'done';
  }
}

export class Scene implements RelayHost {
  readonly downstream = new FakeDownstream();
  readonly exchange: Exchange;
  readonly relay: Relay;
  readonly call = new FakeCall();
  readonly faults: unknown[] = [];
  readonly deadlines = new Deadlines();
  readonly row = new TurnRow((thrown) => this.faults.push(thrown));
  workerInFlight = 1;
  endings = 0;
  isDraining = false;
  isClosing = false;
  closingReason = 'draining';
  isBudgetUsedUp = false;
  limits = '';
  /** Of the reads, reused for each. */
  readonly #readBuffer = Buffer.alloc(64 * 1024);

  constructor(options: ExchangeOptions = {}) {
    this.exchange = createExchange({ contentLength: 2, ...options, downstream: this.downstream });
    this.relay = new Relay(this.exchange, this);
  }

  begin(): this {
    this.relay.begin(this.call);
    return this;
  }

  formatError(_exchange: Exchange, error: GatewayError): string {
    return `{"code":"${error.code}"}`;
  }

  formatStreamError(_exchange: Exchange, error: GatewayError): string {
    return `data: {"code":"${error.code}"}\n\n`;
  }

  formatStreamLength(): string {
    return 'data: {"finish_reason":"length"}\n\n';
  }

  formatLimits(): Uint8Array | null {
    return this.limits === '' ? null : Buffer.from(this.limits);
  }

  dropLimitLines(lines: string): string {
    return lines.replace('x-ratelimit-of-the-provider: 1\r\n', '');
  }

  isExhausted(): boolean {
    return this.isBudgetUsedUp;
  }

  formatStatus(status: number): string {
    return `${status} Words`;
  }

  onFault(_exchange: Exchange, thrown: unknown): void {
    this.faults.push(thrown);
  }

  onEnded(exchange: Exchange): void {
    this.endings += 1;
    assert.equal(exchange, this.exchange);
    assert.notEqual(exchange.ended, null);
  }

  head(head: Partial<RelayedHead> = {}): this {
    this.call.phase = 'streaming';
    this.relay.onUpstreamHead({ ...STREAM, ...head }, nowMs());
    return this;
  }

  /** In the memory of the reads. */
  lend(text: string): Buffer {
    return this.#readBuffer.subarray(0, this.#readBuffer.write(text, 'latin1'));
  }

  /** As the next read does. */
  overwrite(): void {
    this.#readBuffer.fill('!');
  }

  /** One read, in memory that the next read overwrites. */
  read(...texts: string[]): this {
    let at = 0;
    for (const text of texts) {
      const length = this.#readBuffer.write(text, at, 'latin1');
      this.relay.onUpstreamData(this.#readBuffer.subarray(at, at + length));
      at += length;
    }
    this.relay.onUpstreamTurn(nowMs());
    this.#readBuffer.fill('!');
    return this;
  }

  end(): this {
    this.call.finish();
    this.relay.onUpstreamEnd(nowMs());
    return this;
  }

  fail(code: 'upstream_cut' | 'upstream_reset' = 'upstream_cut'): this {
    this.call.finish();
    this.relay.onUpstreamFailure(new GatewayError(code, 'broken'));
    return this;
  }
}

const STREAM: RelayedHead = {
  status: 200,
  statusLine: '200 OK',
  lines: 'content-type: text/event-stream\r\n',
  hasExtensions: false,
  contentLength: -1,
  isEventStream: true,
  isEncoded: false,
};

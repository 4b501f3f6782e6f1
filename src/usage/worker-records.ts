/** A worker's part in usage records: one for each exchange that is over, in the memory that the primary takes it from. */
import type { Exchange } from '../exchange.js';
import { UsageEncoder } from './encoder.js';
import type { UsageRingWriter } from './ring.js';

export class UsageRecords {
  readonly #ring: UsageRingWriter;
  readonly #encoder: UsageEncoder;

  /**
   * @param ring of the worker; its generations write to it in turn.
   * @param redact masks keys in what a client wrote.
   */
  constructor(ring: UsageRingWriter, redact: (text: string) => string) {
    this.#ring = ring;
    this.#encoder = new UsageEncoder(redact);
  }

  /** After it was settled; exactly once. Never waits: where there is no room, the record is lost, and counted. */
  write(exchange: Exchange, endedMs: number): void {
    const at = this.#ring.reserve();
    if (at >= 0) {
      this.#ring.commit(this.#encoder.encode(exchange, endedMs, this.#ring.bytes, at));
    }
  }
}

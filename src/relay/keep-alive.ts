/**
 * Comments to the client of an event stream whose model thinks for long, so that nothing in between takes the
 * connection for dead. They stand between events alone, where every reader of event streams skips them, and say nothing
 * about the provider: its silence is counted on.
 */
import type { DeadlineList, Deadlines, Timed } from '../core/deadlines.js';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** A comment and the end of no event (WHATWG HTML, "Event stream interpretation"). */
const COMMENT = Buffer.from(': keep-alive\n\n');

export class KeepAlive implements Timed {
  readonly #list: DeadlineList;
  readonly #relay: { onSilence(comment: Buffer): void };

  deadlineList: DeadlineList | null = null;
  deadlinePrevious: Timed | null = null;
  deadlineNext: Timed | null = null;
  deadlineStartMs = 0;

  /** @param silenceMs after which a comment is sent, and another each time that it lasts so long again. */
  constructor(
    deadlines: Deadlines,
    silenceMs: number,
    relay: { onSilence(comment: Buffer): void },
  ) {
    this.#relay = relay;
    this.#list = deadlines.shareList('keepalive', silenceMs);
    this.#list.add(this);
  }

  /** Something goes to the client. */
  touch(): void {
    this.#list.touch(this);
  }

  stop(): void {
    this.#list.remove(this);
  }

  onDeadline(): void {
    // First, because the client may turn out to have gone.
    this.#list.add(this);
    this.#relay.onSilence(COMMENT);
  }
}

/** Whether an event stream's piece ends an event, so that a comment or another event may follow it. */
export function endsEvent(piece: Buffer): boolean {
  const { length } = piece;
  if (length < 2 || piece[length - 1] !== LINE_FEED) {
    return false;
  }
  const last = piece[length - 2];
  return last === LINE_FEED || (last === CARRIAGE_RETURN && piece[length - 3] === LINE_FEED);
}

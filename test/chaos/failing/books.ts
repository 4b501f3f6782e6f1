/** Whether what the gateway's limits say at the end is what the clients counted. */
import type { Gateway } from '../../helpers/gateway.js';
import { type LimitRow, untilSettled } from '../../helpers/limited.js';
import type { Counted } from './callers.js';

/** More than any request of these runs is settled with: its prompt as estimated and the 64 tokens that it allows. */
const TOKENS_OF_UNSURE_MAX = 256;

export interface Audit {
  readonly complaints: readonly string[];
  /** In words, for the notes. */
  readonly told: readonly string[];
}

/** Waits until nothing is held any more; that this comes is part of the audit. */
export async function auditBooks(
  gateway: Gateway,
  books: ReadonlyMap<string, Counted>,
): Promise<Audit> {
  const complaints: string[] = [];
  const told: string[] = [];
  for (const [consumer, counted] of books) {
    let rows: LimitRow[];
    try {
      rows = await untilSettled(gateway, consumer);
    } catch (error) {
      complaints.push(`${consumer}: ${String(error)}`);
      continue;
    }
    const find = (kind: string): LimitRow | undefined =>
      rows.find(({ limit }) => limit.startsWith(kind));
    const requests = find('requests');
    const tokens = find('tokens');
    if (requests === undefined || tokens === undefined) {
      complaints.push(`${consumer}: no such limits in ${JSON.stringify(rows)}`);
      continue;
    }
    const { asked, whole, unsure, tokens: used } = counted;
    told.push(
      `${consumer}: ${asked} asked, ${whole} whole with ${used} tokens; settled ${requests.settled} requests and ${tokens.settled} tokens, refunded ${requests.refunded} requests.`,
    );
    const demand = (isSo: boolean, what: string): void => {
      if (!isSo) complaints.push(`${consumer}: ${what}; ${told.at(-1)}`);
    };
    demand(
      rows.every(({ held }) => held === 0),
      'something is held',
    );
    demand(
      rows.every(({ refused }) => refused === 0),
      'something was refused',
    );
    demand(requests.settled + requests.refunded === asked, 'not every request is settled once');
    demand(requests.settled >= whole, 'a whole answer was not counted as a request');
    demand(tokens.settled >= used, 'fewer tokens than were answered');
    demand(tokens.settled <= used + unsure * TOKENS_OF_UNSURE_MAX, 'more tokens than were used');
  }
  return { complaints, told };
}

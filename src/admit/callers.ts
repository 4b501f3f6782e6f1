/** Who calls, where callers are told apart although nobody configured them. */
import type { CallersConfig } from '../config/model.js';
import type { Exchange } from '../exchange.js';

/**
 * What tells the caller from others; null where it can't be told, and so has no limits of its own. An end user is one
 * of its consumer's: two consumers may well have the same names for theirs. No name holds a NUL, see config/schema.ts.
 */
export function nameCaller(by: CallersConfig['by'], exchange: Exchange): string | null {
  if (by === 'address') {
    return exchange.head.callerAddress;
  }
  const { user, identity } = exchange;
  return user === null ? null : `${identity?.consumerName ?? ''}\0${user}`;
}

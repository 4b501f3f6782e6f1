/**
 * What keeps requests together under `balance: hash`.
 *
 * | hash_by       | key                                                                                    |
 * | ------------- | -------------------------------------------------------------------------------------- |
 * | `consumer`    | the consumer's name; where nobody is asked for a key, the credential that came along   |
 * | `header:NAME` | that header's value, of several the first                                              |
 * | `prompt`      | the beginning of the prompt, see prompt-prefix.ts; where there is none, the consumer   |
 *
 * A request without a key is sent anywhere, by weight: one target for all of them would be worse.
 */
import type { HashBy } from '../../config/model.js';
import { BOUNDS } from '../../core/bounds.js';
import { hashText } from './key-hash.js';
import type { BalanceRequest } from './policy.js';
import { hashPrompt, NO_PROMPT } from './prompt-prefix.js';

/** No key; all others are from 0 to 2^32 - 1. */
export const NO_KEY = -1;

export type ReadKey = (request: BalanceRequest) => number;

const HEADER = 'header:';

export function createReadKey(by: HashBy): ReadKey {
  if (by === 'consumer') {
    return readConsumer;
  }
  if (by === 'prompt') {
    return readPrompt;
  }
  const name = by.slice(HEADER.length);
  return (request) => readHeader(request, name);
}

function readConsumer({ identity, head }: BalanceRequest): number {
  if (identity !== null && identity.consumerName !== null) {
    return hashText(identity.consumerName, BOUNDS.hashedTextCharsMax);
  }
  if (head.firstCredential >= 0) {
    return hashText(head.headers[head.firstCredential + 1] ?? '', BOUNDS.hashedTextCharsMax);
  }
  return head.callerAddress === ''
    ? NO_KEY
    : hashText(head.callerAddress, BOUNDS.hashedTextCharsMax);
}

function readHeader({ head }: BalanceRequest, name: string): number {
  const { headers } = head;
  for (let at = 0; at + 1 < headers.length; at += 2) {
    if (headers[at] === name) {
      return hashText(headers[at + 1]!, BOUNDS.hashedTextCharsMax);
    }
  }
  return NO_KEY;
}

function readPrompt(request: BalanceRequest): number {
  const hash = hashPrompt(request);
  return hash === NO_PROMPT ? readConsumer(request) : hash;
}

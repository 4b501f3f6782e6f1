/** What a thread of the counting pool runs: parses a body and counts the tokens of its prompt. */
import { nowMs, toSharedMs } from '../core/clock.js';
import { countPrompt } from './prompt-text.js';
import { chooseEncoding, loadEncoding } from './text-count.js';

export interface TokenCountTask {
  readonly body: Uint8Array;
  readonly model: string;
  /** On the clock that all threads share; a task that begins later is not worth doing. */
  readonly expiresSharedMs: number;
}

/** @returns null for what is no request or comes too late; never throws for a body's sake. */
export default async function countTask(task: TokenCountTask): Promise<number | null> {
  const encoding = chooseEncoding(task.model);
  const count = await loadEncoding(encoding.name);
  if (toSharedMs(nowMs()) > task.expiresSharedMs) {
    return null;
  }
  try {
    const tokens = countPrompt(JSON.parse(new TextDecoder().decode(task.body)), count);
    return tokens === null ? null : Math.ceil(tokens * encoding.factor);
  } catch {
    return null;
  }
}

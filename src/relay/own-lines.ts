/** What Weir adds to the head of an answer. */
import { type AnswerHead, createHead } from '../core/answer-head.js';
import { BOUNDS } from '../core/bounds.js';
import type { GatewayError } from '../core/errors.js';
import { ALLOWED_METHODS } from '../core/methods.js';
import type { Exchange } from '../exchange.js';
import { formatDebugLines } from './debug-lines.js';

/** For the header `server-timing` (W3C Server Timing): what Weir added, in milliseconds to three places. */
export function formatTiming(addedMs: number): string {
  // Out of whole numbers: V8 takes ten times as long to write a fraction.
  const addedUs = Math.max(0, Math.round(addedMs * US_PER_MS));
  const ms = Math.floor(addedUs / US_PER_MS);
  return `weir;dur=${ms}.${`${addedUs - ms * US_PER_MS + US_PER_MS}`.slice(1)}`;
}

const US_PER_MS = 1000;

/**
 * What tells of attempts, where there may have been several.
 *
 * @param provider asked last.
 */
export function formatAttemptLines(attempts: number, provider: string): string {
  return attempts === 1 ? recallOnly(provider) : writeAttemptLines(attempts, provider);
}

/** Nearly all answers tell the same of one of a few providers. */
function recallOnly(provider: string): string {
  const known = onlyLines.get(provider);
  if (known !== undefined) {
    return known;
  }
  // Those that reloads have taken away are forgotten with the rest.
  if (onlyLines.size >= BOUNDS.attemptLinesMax) onlyLines.clear();
  const lines = writeAttemptLines(1, provider);
  onlyLines.set(provider, lines);
  return lines;
}

const onlyLines = new Map<string, string>();

function writeAttemptLines(attempts: number, provider: string): string {
  return `x-weir-attempts: ${attempts}\r\nx-weir-provider: ${encodeName(provider)}\r\n`;
}

/** A header holds ASCII; what is beyond it is escaped as in a URL. */
function encodeName(name: string): string {
  return PLAIN.test(name) ? name : encodeURIComponent(name);
}

const PLAIN = /^[\x20-\x7e]*$/;

/** The lines that every answer carries, each with its CR LF. */
export function formatOwnLines(id: string, addedMs: number, closes: boolean): string {
  const own = `x-weir-id: ${id}\r\nserver-timing: ${formatTiming(addedMs)}\r\n`;
  return closes ? `${own}connection: close\r\n` : own;
}

/** Of the attempts nothing where there could be no more than one; the timeline for who may see it. */
export function tellAttempts(exchange: Exchange): string {
  const { attemptsMade, target, isDebugged } = exchange;
  const lines =
    attemptsMade === 0 || target === null ? '' : formatAttemptLines(attemptsMade, target.provider);
  return isDebugged ? lines + formatDebugLines(exchange) : lines;
}

/** What some errors say beside their body. Names and values in turn. */
export function listErrorHeaders({ code, retryAfterMs }: GatewayError): string[] {
  if (code === 'method_not_allowed') {
    return ['allow', ALLOWED_METHODS];
  }
  return retryAfterMs === null
    ? []
    : [
        'retry-after',
        String(Math.ceil(retryAfterMs / 1000)),
        'retry-after-ms',
        String(Math.ceil(retryAfterMs)),
      ];
}

/** The head of a JSON answer of Weir's own. */
export function createLocalHead(status: string, error: GatewayError | null): AnswerHead {
  const known = error?.isShared === true ? sharedHeads.get(error) : undefined;
  if (known !== undefined) {
    return known;
  }
  const head = createHead(status, [
    'content-type',
    'application/json',
    ...(error === null ? [] : listErrorHeaders(error)),
  ]);
  if (error?.isShared === true) {
    sharedHeads.set(error, head);
  }
  return head;
}

/** Each goes with its error. */
const sharedHeads = new WeakMap<GatewayError, AnswerHead>();

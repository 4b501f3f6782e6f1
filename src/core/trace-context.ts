/**
 * W3C Trace Context: who the caller's trace is, as `traceparent` says it, and what Weir writes there itself. Read without
 * a pattern, character by character, because a traced client sends it with every request.
 */
import { randomFillSync } from 'node:crypto';

export interface TraceParent {
  /** 32 hex digits in lower case, not all of them 0. */
  readonly traceId: string;
  /** 16 of them: the caller's span. */
  readonly spanId: string;
  /** The caller records its part. */
  readonly isSampled: boolean;
}

const TRACE_ID_AT = 3;
const SPAN_ID_AT = 36;
const FLAGS_AT = 53;
/** Of version 00; later ones may have more after a hyphen. */
const LENGTH = 55;
const FIRST_VERSION = '00';
const NO_VERSION = 'ff';
const SAMPLED = 1;
const ZERO = 0x30;
const NINE = 0x39;
const HYPHEN = 0x2d;
const SMALL_A = 0x61;
const SMALL_F = 0x66;

/** @returns null for what is no `traceparent`; then the caller's trace can't be continued. */
export function readTraceParent(text: string): TraceParent | null {
  const version = text.slice(0, 2);
  const isLonger = text.length > LENGTH;
  if (text.length < LENGTH || version === NO_VERSION) return null;
  if (isLonger && (version === FIRST_VERSION || text.charCodeAt(LENGTH) !== HYPHEN)) return null;
  for (let at = 0; at < LENGTH; at += 1) {
    const code = text.charCodeAt(at);
    const isEnd = at === TRACE_ID_AT - 1 || at === SPAN_ID_AT - 1 || at === FLAGS_AT - 1;
    if (isEnd ? code !== HYPHEN : !isHexDigit(code)) return null;
  }
  if (isZero(text, TRACE_ID_AT, SPAN_ID_AT - 1) || isZero(text, SPAN_ID_AT, FLAGS_AT - 1)) {
    return null;
  }
  return {
    traceId: text.slice(TRACE_ID_AT, SPAN_ID_AT - 1),
    spanId: text.slice(SPAN_ID_AT, FLAGS_AT - 1),
    isSampled: (Number.parseInt(text.slice(FLAGS_AT, LENGTH), 16) & SAMPLED) === SAMPLED,
  };
}

/** Of a span that is recorded. */
export function formatTraceParent(traceId: string, spanId: string): string {
  return `00-${traceId}-${spanId}-01`;
}

export function createTraceId(): string {
  return takeHex(16);
}

export function createSpanId(): string {
  return takeHex(8);
}

/** Random bytes are had by the thousand: to ask the system for eight takes a microsecond. */
const pool = Buffer.alloc(4096);
let taken = pool.length;

function takeHex(bytes: number): string {
  if (taken + bytes > pool.length) {
    randomFillSync(pool);
    taken = 0;
  }
  const hex = pool.toString('hex', taken, taken + bytes);
  taken += bytes;
  // All zeros mean that there is none.
  return isZero(hex, 0, hex.length) ? `${hex.slice(1)}1` : hex;
}

function isHexDigit(code: number): boolean {
  return (code >= ZERO && code <= NINE) || (code >= SMALL_A && code <= SMALL_F);
}

function isZero(text: string, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) {
    if (text.charCodeAt(at) !== ZERO) return false;
  }
  return true;
}

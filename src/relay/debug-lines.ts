/**
 * The timeline of an exchange in the head of its answer, for who asks with `x-weir-debug` and may: all that is known when
 * the head is written. What comes later is in the access log, in traces, and in `/api/exchanges`.
 */
import { BOUNDS } from '../core/bounds.js';
import { formatTraceParent } from '../core/trace-context.js';
import type { Exchange } from '../exchange.js';

/** Header lines, each with its CR LF. */
export function formatDebugLines(exchange: Exchange): string {
  const { identity, model, target, estimate, trace, error } = exchange;
  const lines: [string, string][] = [
    ['timeline', formatTimeline(exchange)],
    ['dialect', exchange.dialect],
    ['request-bytes', String(exchange.requestBytes)],
  ];
  const consumer = identity?.consumerName ?? null;
  if (consumer !== null) lines.push(['consumer', encode(consumer)]);
  if (model !== null) lines.push(['model', encode(model)]);
  if (target !== null) {
    lines.push(['target', `${encode(target.provider)}/${encode(target.model ?? model ?? '')}`]);
  }
  if (exchange.upstreamStatus > 0) lines.push(['status', String(exchange.upstreamStatus)]);
  if (estimate !== null) {
    const { inputTokens, outputTokens } = estimate;
    lines.push(['estimate', `input=${inputTokens}, output=${outputTokens}`]);
  }
  if (exchange.attempts !== null) lines.push(['attempts', formatAttempts(exchange.attempts)]);
  if (error !== null) lines.push(['error', error.code]);
  if (trace !== null) lines.push(['trace', formatTraceParent(trace.traceId, trace.spanId)]);
  return lines.map(([name, value]) => `x-weir-debug-${name}: ${value}\r\n`).join('');
}

/** As `server-timing` is written: milliseconds since the exchange began. */
function formatTimeline(exchange: Exchange): string {
  const { startedMs, readyMs, sentMs, headMs, firstByteMs } = exchange;
  return [
    ['ready', readyMs] as const,
    ['sent', sentMs] as const,
    ['head', headMs] as const,
    ['answer', firstByteMs] as const,
  ]
    .filter(([, atMs]) => atMs > 0)
    .map(([name, atMs]) => `${name};dur=${(atMs - startedMs).toFixed(3)}`)
    .join(', ');
}

function formatAttempts(attempts: NonNullable<Exchange['attempts']>): string {
  return attempts
    .map(
      ({ provider, model, className, ms }) =>
        `${encode(provider)}/${encode(model ?? '')};class=${className};dur=${ms.toFixed(3)}`,
    )
    .join(', ');
}

/** A header holds ASCII, and some of these texts come from the caller. */
function encode(text: string): string {
  const clipped = text.slice(0, BOUNDS.traceTextCharsMax);
  // What was cut may end in half a character, which can't be escaped; bytes make a whole one of it.
  return PLAIN.test(clipped) ? clipped : encodeURIComponent(Buffer.from(clipped).toString());
}

const PLAIN = /^[\x21-\x7e]*$/;

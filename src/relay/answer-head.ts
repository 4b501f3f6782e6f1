/**
 * The head of an answer: which of the provider's headers pass, and what Weir adds. Names and values of the provider
 * go on as the bytes that came; llhttp has made sure that they hold no line breaks.
 */
import { STATUS_CODES } from 'node:http';

/** How the body of an answer is framed towards the client. */
export interface AnswerShape {
  /** -1 where the provider gave no content-length. */
  contentLength: number;
  isEventStream: boolean;
  isEncoded: boolean;
}

/**
 * Copies what passes into `target`.
 *
 * Left out are hop-by-hop headers (RFC 9110 section 7.6.1) and those that `connection` names, what frames the
 * body, `date`, which uWebSockets.js writes itself, `alt-svc`, which would send clients past the gateway to the
 * provider's own ports, and names of Weir's own.
 */
export function copyHeaders(
  rawHeaders: readonly Buffer[],
  target: (string | Uint8Array)[],
): AnswerShape {
  const shape: AnswerShape = { contentLength: -1, isEventStream: false, isEncoded: false };
  const named = namedByConnection(rawHeaders);
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as Buffer;
    const value = rawHeaders[i + 1] as Buffer;
    if (passes(name, value, shape) && (named === null || !named.has(lower(name)))) {
      target.push(name, value);
    }
  }
  return shape;
}

/** Decided by length first, so that most names cost one comparison and no string. */
function passes(name: Buffer, value: Buffer, shape: AnswerShape): boolean {
  switch (name.length) {
    case 2:
      return lower(name) !== 'te';
    case 4:
      return lower(name) !== 'date';
    case 7: {
      const text = lower(name);
      return text !== 'trailer' && text !== 'upgrade' && text !== 'alt-svc';
    }
    case 10: {
      const text = lower(name);
      return text !== 'connection' && text !== 'keep-alive' && text !== 'x-weir-id';
    }
    case 12:
      if (lower(name) === 'content-type') {
        shape.isEventStream = lower(value).startsWith('text/event-stream');
      }
      return true;
    case 14:
      if (lower(name) === 'content-length') {
        shape.contentLength = Number(value.toString('latin1'));
        return false;
      }
      return true;
    case 16:
      if (lower(name) === 'content-encoding') {
        shape.isEncoded = lower(value) !== 'identity';
        return true;
      }
      return lower(name) !== 'proxy-connection';
    case 17:
      return lower(name) !== 'transfer-encoding';
    case 18:
      return lower(name) !== 'proxy-authenticate';
    case 19:
      return lower(name) !== 'proxy-authorization';
    default:
      return true;
  }
}

function namedByConnection(rawHeaders: readonly Buffer[]): ReadonlySet<string> | null {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as Buffer;
    if (name.length === 10 && lower(name) === 'connection') {
      const value = lower(rawHeaders[i + 1] as Buffer);
      if (value !== 'keep-alive' && value !== 'close') {
        return new Set(value.split(',').map((part) => part.trim()));
      }
    }
  }
  return null;
}

function lower(bytes: Buffer): string {
  return bytes.toString('latin1').toLowerCase();
}

const STANDARD_LINES = new Map(
  Object.entries(STATUS_CODES).map(([status, text]) => [Number(status), `${status} ${text}`]),
);
const REASON = /^[\t\x20-\x7e]*$/;

/** `statusText` as the provider sent it, unless it is missing or not plain text. */
export function formatStatus(status: number, statusText: string): string {
  const standard = STANDARD_LINES.get(status) ?? `${status} Unknown`;
  if (statusText === '' || standard.endsWith(statusText) || !REASON.test(statusText)) {
    return standard;
  }
  return `${status} ${statusText}`;
}

/** For the header `server-timing` (W3C Server Timing): what Weir added, in milliseconds. */
export function formatTiming(addedMs: number): string {
  return `weir;dur=${Math.round(addedMs * 1000) / 1000}`;
}

/** The head of a request as text in Latin-1. What goes in has been checked for line breaks where it came in. */
import type { UpstreamRequest } from './engine.js';

/** Methods whose requests have a body by nature say so even if it is empty (RFC 9110 section 8.6). */
const WITH_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

export function writeRequestHead(request: UpstreamRequest, host: string): string {
  const { method, target, headerLines, bodyBytes } = request;
  const head = `${method} ${target} HTTP/1.1\r\nhost: ${host}\r\n${headerLines}`;
  if (bodyBytes < 0) {
    return `${head}transfer-encoding: chunked\r\n\r\n`;
  }
  if (bodyBytes > 0 || WITH_BODY.has(method)) {
    return `${head}content-length: ${bodyBytes}\r\n\r\n`;
  }
  return `${head}\r\n`;
}

/** Piece by piece to the whole: V8 need not copy a piece then, where it would to make a line of each header first. */
export function addHeaderLine(lines: string, name: string, value: string): string {
  return `${lines}${name}: ${value}\r\n`;
}

/** The way back, for an engine that must have them one by one: name, value, name, value … */
export function splitHeaderLines(lines: string): string[] {
  const headers: string[] = [];
  for (const line of lines.split('\r\n').slice(0, -1)) {
    const at = line.indexOf(': ');
    headers.push(line.slice(0, at), line.slice(at + 2));
  }
  return headers;
}

/** The head of a request as text in Latin-1. What goes in has been checked for line breaks where it came in. */
import type { UpstreamRequest } from './engine.js';

/** Methods whose requests have a body by nature say so even if it is empty (RFC 9110 section 8.6). */
const WITH_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

export function writeRequestHead(request: UpstreamRequest, host: string): string {
  const { method, target, headerLines, bodyBytes } = request;
  const head = `${method} ${target} HTTP/1.1\r\nhost: ${host}${headerLines}`;
  if (bodyBytes < 0) {
    return `${head}\r\ntransfer-encoding: chunked\r\n\r\n`;
  }
  if (bodyBytes > 0 || WITH_BODY.has(method)) {
    return `${head}\r\ncontent-length: ${bodyBytes}\r\n\r\n`;
  }
  return `${head}\r\n\r\n`;
}

/** For an engine that must have them one by one: name, value, name, value … */
export function splitHeaderLines(lines: string): string[] {
  const headers: string[] = [];
  for (const line of lines.split('\r\n').slice(1)) {
    const at = line.indexOf(': ');
    headers.push(line.slice(0, at), line.slice(at + 2));
  }
  return headers;
}

/** The head of a request as text in Latin-1. What goes in has been checked for line breaks where it came in. */
import type { UpstreamRequest } from './engine.js';

/** Methods whose requests have a body by nature say so even if it is empty (RFC 9110 section 8.6). */
const WITH_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

export function writeRequestHead(request: UpstreamRequest, host: string): string {
  const { headers, bodyBytes } = request;
  let head = `${request.method} ${request.target} HTTP/1.1\r\nhost: ${host}\r\n`;
  for (let i = 0; i < headers.length; i += 2) {
    head += `${headers[i]}: ${headers[i + 1]}\r\n`;
  }
  if (bodyBytes < 0) {
    head += 'transfer-encoding: chunked\r\n';
  } else if (bodyBytes > 0 || WITH_BODY.has(request.method)) {
    head += `content-length: ${bodyBytes}\r\n`;
  }
  return `${head}\r\n`;
}

/** What Weir adds to the head of an answer. */

/** For the header `server-timing` (W3C Server Timing): what Weir added, in milliseconds. */
export function formatTiming(addedMs: number): string {
  return `weir;dur=${Math.round(addedMs * 1000) / 1000}`;
}

/** The lines that every answer carries, each with its CR LF. */
export function formatOwnLines(id: string, addedMs: number, closes: boolean): string {
  const own = `x-weir-id: ${id}\r\nserver-timing: ${formatTiming(addedMs)}\r\n`;
  return closes ? `${own}connection: close\r\n` : own;
}

/**
 * Reads single headers of an answer after the fact, from the text that head-lines.ts kept. For answers that are looked
 * into, errors above all; what every answer needs is read where its head is scanned.
 */

/**
 * @param lines the lines with a CR LF each, as Latin-1 text.
 * @param visit is given each name in small letters, and its value without white space around it.
 */
export function visitHeaders(lines: string, visit: (name: string, value: string) => void): void {
  let at = 0;
  while (at < lines.length) {
    const found = lines.indexOf('\r\n', at);
    const end = found < 0 ? lines.length : found;
    const colon = lines.indexOf(':', at);
    if (colon > at && colon < end) {
      visit(lines.slice(at, colon).toLowerCase(), lines.slice(colon + 1, end).trim());
    }
    at = end + 2;
  }
}

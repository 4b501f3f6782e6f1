/** The value of a header, null if there is none. `headers` is name, value, …; `name` is in lower case. */
export function findHeader(headers: readonly string[], name: string): string | null {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === name) {
      return headers[i + 1] ?? '';
    }
  }
  return null;
}

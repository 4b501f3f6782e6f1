/** Classes of what clients were answered, by which exchanges are told apart in metrics and latencies. */

/** What a client was answered; `none`: nothing, as when it left before. */
export const STATUS_CLASSES = ['2xx', '3xx', '4xx', '5xx', 'none'] as const;

const NONE = STATUS_CLASSES.indexOf('none');

/** Place in STATUS_CLASSES. What is not a status counts as 5xx. */
export function findStatusClass(status: number | null): number {
  if (status === null || status < 200) {
    return NONE;
  }
  return status < 600 ? Math.trunc(status / 100) - 2 : NONE - 1;
}

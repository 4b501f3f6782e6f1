/** The exchanges that somebody will ask about: failed ones and the slowest, each with where its time went. */
import { formatMs } from './numbers.js';
import { authorize } from './stream.js';
import { type Cell, SortedTable } from './tables.js';

interface Times {
  readonly ready: number;
  readonly sent: number;
  readonly head: number;
  readonly firstByte: number;
  readonly ended: number;
}

/** As `/api/exchanges` tells it. */
interface Told {
  readonly id: string;
  readonly at_ms: number;
  readonly consumer: string | null;
  readonly path: string;
  readonly model: string | null;
  readonly provider: string | null;
  readonly status: number | null;
  readonly by: string;
  readonly phase: string;
  readonly reason: string;
  readonly times: Times;
  readonly attempts: readonly {
    readonly provider: string;
    readonly className: string;
    readonly ms: number;
  }[];
}

const EVERY_MS = 5000;
const SHOWN_MAX = 50;

const COLUMNS = [
  { name: 'When', isText: true },
  { name: 'Id', isText: true },
  { name: 'Consumer', isText: true },
  { name: 'Model', isText: true },
  { name: 'Provider', isText: true },
  { name: 'Status' },
  { name: 'Ended', isText: true },
  { name: 'Took' },
  { name: 'Where the time went', isText: true },
] as const;

export class ExchangeTables {
  readonly #failed: SortedTable;
  readonly #slow: SortedTable;

  constructor(failed: HTMLTableElement, slow: HTMLTableElement) {
    this.#failed = new SortedTable(
      failed,
      COLUMNS,
      0,
      'None failed in the last quarter of an hour.',
    );
    this.#slow = new SortedTable(slow, COLUMNS, 7, 'No exchange yet.');
    this.#failed.sortBy(0, true);
  }

  /** Asks again and again, for as long as the page can be seen and is not paused. */
  follow(isPaused: () => boolean): void {
    const ask = async (): Promise<void> => {
      if (document.hidden || isPaused()) return;
      const response = await fetch(`/api/exchanges?max=${SHOWN_MAX}`, { headers: authorize() });
      if (!response.ok) return;
      const told = (await response.json()) as {
        readonly failed: readonly Told[];
        readonly slow: readonly Told[];
      };
      this.#failed.show(told.failed.map(describe));
      this.#slow.show(told.slow.map(describe));
    };
    // The live stream says what is wrong where the server can't be reached.
    const askSafely = (): void => void ask().catch(() => {});
    setInterval(askSafely, EVERY_MS);
    askSafely();
  }
}

function describe(told: Told): Cell[] {
  const { times, attempts } = told;
  const failedAttempts = attempts
    .filter(({ className }) => className !== 'ok')
    .map(({ provider, className, ms }) => `${provider} ${className} ${formatMs(ms)}`);
  return [
    { text: new Date(told.at_ms).toLocaleTimeString([], { hour12: false }), order: told.at_ms },
    { text: told.id },
    { text: told.consumer ?? '–' },
    { text: told.model ?? told.path },
    { text: told.provider ?? '–' },
    { text: told.status === null ? '–' : String(told.status), order: told.status ?? 0 },
    {
      text: `${told.reason} (${told.by}, ${told.phase})`,
      tone: told.reason === 'complete' ? undefined : 'bad',
      title: failedAttempts.join('; '),
    },
    { text: formatMs(times.ended), order: times.ended },
    { text: '', order: times.ended, parts: divide(times) },
  ];
}

/** What an exchange came to one after the other; -1 for what it did not come to. */
function divide({ ready, sent, head, firstByte, ended }: Times): NonNullable<Cell['parts']> {
  const steps: readonly (readonly [name: string, atMs: number])[] = [
    ['read and admitted', ready],
    ['waited and sent', sent],
    ['provider', head],
    ['to the client', firstByte],
    ['streamed', ended],
  ];
  let sinceMs = 0;
  return steps.flatMap(([name, atMs], index) => {
    if (atMs < 0) return [];
    const ms = Math.max(0, atMs - sinceMs);
    sinceMs = Math.max(sinceMs, atMs);
    return [{ name: `${name} ${formatMs(ms)}`, share: ended > 0 ? ms / ended : 0, kind: index }];
  });
}

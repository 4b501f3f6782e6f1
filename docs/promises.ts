/**
 * Prints docs/promises.md: what Weir promises, and the tests that hold it, found by the ids in their titles, such as
 * `P-12 client-gone-while-queued`. A title names the failure that the test would find.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const TESTS = fileURLToPath(new URL('../../test/', import.meta.url));

// biome-ignore format: a table reads best with one row a line.
export const PROMISES: Readonly<Record<string, string>> = {
  'P-01': 'A request whose framing is malformed or ambiguous is refused, its connection is closed, and no provider sees it.',
  'P-02': 'No request is smuggled: one message of a client becomes at most one message to a provider, framed anew.',
  'P-03': 'No order of abort, write, end and failure makes Weir throw.',
  'P-04': 'Hop-by-hop headers and those that `connection` names are dropped, credentials are exchanged, and no header of a caller can undo that.',
  'P-05': 'No value from a caller or a provider adds a header or a message.',
  'P-06': 'Header names with an underscore are refused.',
  'P-07': 'Heads that are too large or have too many headers are refused at once, with 431.',
  'P-08': 'Heads and bodies that come too slowly are cut in bounded time; slow ones that make headway are not.',
  'P-09': 'A body that is too large is refused with 413 before it is held, and the caller gets that answer; so it does a provider’s early one.',
  'P-10': 'A caller that reads slowly costs bounded memory and loses no byte.',
  'P-11': 'A caller that has stopped reading is dropped in bounded time, and its provider’s connection with it.',
  'P-12': 'When the caller leaves, in whatever phase, its provider’s connection is closed.',
  'P-13': 'What an exchange has reserved is settled exactly once, on every way out.',
  'P-14': 'An answer that a provider cut is cut for the caller too; it never passes for a whole one.',
  'P-15': 'Bytes of a body are never altered, however they are split.',
  'P-16': 'Nothing that a provider has said waits for what it says next.',
  'P-17': 'A stream may be silent for as long as the configuration allows, and is cut after that.',
  'P-18': 'A call is made again only where that is safe, and further calls are a bounded share of the first ones.',
  'P-19': 'A target that fails is ejected, tried again, and comes back.',
  'P-20': 'Queues are bounded in length and time; beyond them the caller is refused.',
  'P-21': 'Under overload new work is refused before memory or a loop’s time runs out; what was admitted goes on.',
  'P-22': 'Limits hold over all workers, and what was not used is given back.',
  'P-23': 'A provider that closes a kept connection is no failure that a caller sees.',
  'P-24': 'Whatever a provider sends instead of an answer is a bounded, typed error for one caller, and its connection is not used again.',
  'P-25': 'Informational answers never end an exchange, and never hold it up without end.',
  'P-26': 'A drain lets what runs end, in bounded time, and loses nothing.',
  'P-27': 'A new version takes over without a lost request.',
  'P-28': 'A worker that fails is replaced; a process that fails is started anew at once.',
  'P-29': 'A reload is taken whole or not at all; what runs keeps the configuration that it began with.',
  'P-30': 'Weir ends with 0, whatever was going on.',
  'P-31': 'Answers to HEAD, 204 and 304 have no body, and keep their length.',
  'P-32': 'Every exchange has one line in the access log that says how it ended; `log.sample` leaves out none but those that ended well.',
  'P-33': 'No descriptor and no memory leaks.',
  'P-34': 'HTTP/1.1 is read at least as right as nginx reads it; with uWebSockets.js’s file for Node 24, which ships; the one for Node 20 leaves 27 malformed heads to a timer (conformance.md).',
  'P-35': 'No sequence of bytes, from callers or providers, makes Weir crash, hang or leak.',
};

/** Promises whose tests are not there yet. Whoever adds the first one takes its id out. */
export const AWAITED: ReadonlySet<string> = new Set();

export interface HeldPromise {
  readonly id: string;
  readonly text: string;
  /** Test file, from the repository's root, → titles without their ids. */
  readonly tests: ReadonlyMap<string, readonly string[]>;
}

/** A string with an id: the first argument of a test, or a row's name that becomes one. */
const TITLE =
  /\b(?:it|test|describe|vector)\(\s*(['"`])((?:\\.|(?!\1)[^\\])*?\bP-\d\d\b(?:\\.|(?!\1)[^\\])*)\1/g;
/** The same where a title is chosen: it then begins with the id. */
const CHOSEN_TITLE = /[?:]\s*(['"`])(P-\d\d (?:\\.|(?!\1)[^\\])*)\1/g;
const ID = /\bP-\d\d\b/g;

/** @param texts by path, from the repository's root. */
export function findPromises(texts: ReadonlyMap<string, string>): readonly HeldPromise[] {
  const found = new Map<string, Map<string, string[]>>();
  for (const [path, text] of texts) {
    for (const match of [...text.matchAll(TITLE), ...text.matchAll(CHOSEN_TITLE)]) {
      const title = match[2] ?? '';
      const name = cleanTitle(title);
      for (const [id] of title.matchAll(ID)) {
        const files = found.get(id) ?? new Map<string, string[]>();
        const names = files.get(path) ?? [];
        if (!names.includes(name)) names.push(name);
        found.set(id, files.set(path, names));
      }
    }
  }
  const ids = new Set([...Object.keys(PROMISES), ...found.keys()]);
  return [...ids].sort().map((id) => ({
    id,
    text: PROMISES[id] ?? '',
    tests: found.get(id) ?? new Map<string, string[]>(),
  }));
}

/** What stands in braces is not known before the test runs. */
function cleanTitle(title: string): string {
  return title
    .replace(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, '…')
    .replace(/\\(['"`])/g, '$1')
    .replace(/^…: /, '')
    .replace(ID, '')
    .replace(/\s+/g, ' ')
    .trim();
}

/** Test files, and the helpers that hold rows which become tests. */
export function readTestTexts(): ReadonlyMap<string, string> {
  const names = readdirSync(TESTS, { recursive: true, encoding: 'utf8' })
    .filter((name) => /(?:\.test|-vectors)\.ts$/.test(name) && name !== 'unit/docs.test.ts')
    .sort();
  return new Map(names.map((name) => [`test/${name}`, readFileSync(TESTS + name, 'utf8')]));
}

/** What is wrong with the promises, in words; empty when each has a test. */
export function judgePromises(promises: readonly HeldPromise[]): readonly string[] {
  return promises.flatMap(({ id, text, tests }) => {
    if (text === '')
      return [`${id}, of ${[...tests.keys()][0]}, is no promise in docs/promises.ts`];
    if (tests.size === 0 && !AWAITED.has(id)) return [`${id} is held by no test: ${text}`];
    if (tests.size > 0 && AWAITED.has(id)) return [`${id} has a test now: take it out of AWAITED`];
    return [];
  });
}

function renderPromise({ id, text, tests }: HeldPromise): string {
  const files = [...tests].map(([path, names]) => `- \`${path}\`: ${names.join('; ')}`);
  return `## ${id}

${text}

${files.length === 0 ? '_No test yet._' : files.join('\n')}
`;
}

export function renderPromises(): string {
  const promises = findPromises(readTestTexts());
  return `# What Weir promises, and what holds it

<!-- Printed from docs/promises.ts and from the titles of the tests by \`npm run docs\`. -->

Each promise with the tests that hold it. A test’s title names the failure that it would find; “…” stands for what differs
between its runs. \`npm test\` and \`npm run docs -- --check\` fail when a promise is held by none.

${promises.map(renderPromise).join('\n')}`;
}

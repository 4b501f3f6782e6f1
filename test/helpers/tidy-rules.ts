/**
 * The rules of the house that a compiler does not know: who imports whom, what stays in one place,
 * and what has no place. `findViolations` judges texts, so that it can be tried on made-up ones.
 * A rule that stands in the way of something right is changed here, in the same commit, with a reason.
 */
import { readSource, type SourceText } from './source-text.js';

export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly rule: string;
}

/** What one part of src may import at run time, and of what it may know the types alone. */
interface Edges {
  readonly uses: readonly string[];
  readonly types?: readonly string[];
}

/** The stages in the order of the way. */
const WAY = ['accept', 'inspect', 'authenticate', 'admit', 'route', 'upstream', 'relay'];
const GROUND = ['core', 'exchange', 'config/model'];

/** A stage may name the types of those before it, for that is what it is given; it never runs them. */
function stage(name: string, ...libraries: readonly string[]): Edges {
  return {
    uses: [...GROUND, ...libraries],
    types: [...WAY.slice(0, WAY.indexOf(name)), 'dialects'],
  };
}

/**
 * Part → what it may import. A part is a folder of src, or a file straight in it; `config/model` is
 * apart because everyone may know its types. A folder always may import itself.
 */
export const EDGES: Readonly<Record<string, Edges>> = {
  core: { uses: [] },
  'config/model': { uses: ['core'] },
  // limits: which rates can be counted, the table alone knows.
  config: { uses: ['core', 'config/model', 'limits'] },
  exchange: { uses: ['core', 'config/model'], types: [...WAY, 'dialects', 'limits', 'observe'] },
  accept: stage('accept'),
  inspect: stage('inspect'),
  authenticate: stage('authenticate'),
  admit: stage('admit', 'limits'),
  route: stage('route', 'dialects'),
  upstream: stage('upstream', 'dialects', 'upstream/attempt-outcomes', 'upstream/failure-classes'),
  // Pure tables: counters are laid out by how an attempt can end.
  'upstream/attempt-outcomes': { uses: ['upstream/failure-classes'] },
  'upstream/failure-classes': { uses: ['core'] },
  // observe: what a trace is told of an answer, by its shape alone.
  relay: { ...stage('relay', 'dialects'), types: [...WAY.slice(0, -1), 'dialects', 'observe'] },
  dialects: { uses: GROUND },
  limits: { uses: GROUND },
  // Of targets it knows what the configuration says; who asks and who tells it is others' business.
  health: { uses: ['core', 'config/model'] },
  // Runs in a browser; all that it shares with the server is the shape of what it is told.
  dashboard: { uses: ['dashboard/rates', 'dashboard/numbers'], types: ['observe'] },
  // Plain figures and words, which a terminal shows as well as a page.
  'dashboard/rates': { uses: [], types: ['observe'] },
  'dashboard/numbers': { uses: [] },
  // Runs beside a server and asks its admin port; it loads nothing that a server needs.
  top: { uses: ['core', 'dashboard/rates', 'dashboard/numbers'], types: ['observe'] },
  observe: { uses: [...GROUND, 'upstream/attempt-outcomes', 'overload'] },
  // Of a worker it knows numbers only: how late its loop is, how many exchanges run.
  overload: { uses: ['core', 'config/model'] },
  // A thread of its own that turns records into spans and posts them: nothing of it runs where exchanges do.
  'trace-export': { uses: ['core', 'config/model', 'trace-export/messages'], types: ['observe'] },
  'trace-export/messages': { uses: ['config/model'] },
  // config: the command finds its files by the configuration, and reads durations as that does.
  usage: { uses: [...GROUND, 'config'], types: ['observe', 'route'] },
  pipeline: { uses: [...GROUND, ...WAY, 'dialects', 'limits', 'observe', 'overload'] },
  // The built-in simulated provider listens as the gateway does, and shares nothing else with it.
  'demo-upstream': { uses: ['core', 'accept', 'config/model'], types: ['exchange'] },
  worker: {
    uses: [
      ...GROUND,
      ...WAY,
      ...['config', 'dialects', 'health', 'limits', 'observe', 'overload', 'pipeline', 'usage'],
      'upstream/attempt-outcomes',
    ],
  },
  primary: {
    // admit: the price list is read once, and tokens are counted on one pool of threads, for all workers.
    // route: it makes the memory in which workers tell each other how busy targets are.
    // upstream: providers' health is checked once for all workers, and sockets to them are opened nowhere else.
    uses: [
      ...GROUND,
      'accept',
      'admit',
      'config',
      'health',
      'limits',
      'observe',
      'overload',
      'route',
      'upstream',
      'usage',
      'worker',
      'demo-upstream',
      'supervisor/protocol',
      'trace-export/messages',
    ],
  },
  // It loads nothing that a server needs, so that nothing that befalls a server can befall it.
  supervisor: { uses: ['core', 'supervisor/protocol'] },
  'supervisor/protocol': { uses: [] },
  main: {
    uses: [
      ...['core', 'config', 'config/model', 'demo-upstream', 'observe', 'primary', 'supervisor'],
      'top',
      'usage',
    ],
  },
};

/** Modules that only some parts of src may import, so that what they do stays in one place. */
const CONFINED: readonly { readonly module: string; readonly parts: readonly string[] }[] = [
  { module: 'uWebSockets.js', parts: ['accept'] },
  { module: 'undici', parts: ['upstream'] },
  // accept reads the PROXY protocol in front of uWebSockets.js; primary tries out the port and the certificate before it
  // starts; config asks isIP() only; the supervisor holds the admin port.
  { module: 'node:net', parts: ['accept', 'upstream', 'primary', 'config', 'supervisor'] },
  { module: 'node:dns', parts: ['upstream'] },
  { module: 'node:tls', parts: ['upstream', 'primary'] },
  // Vocabularies and price lists cost tens of megabytes; admit knows which threads may load them.
  // It costs tens of megabytes and opens sockets of its own.
  { module: '@opentelemetry', parts: ['trace-export'] },
  { module: 'gpt-tokenizer', parts: ['admit'] },
  { module: '@pydantic/genai-prices', parts: ['admit'] },
  { module: 'node:https', parts: [] },
  { module: 'node:http2', parts: [] },
];

interface TextRule {
  readonly rule: string;
  readonly pattern: RegExp;
  readonly view: 'code' | 'comments';
  /** Beginnings of the paths that it is for; none: all. */
  readonly only?: readonly string[];
  readonly except?: readonly string[];
}

const TEXT_RULES: readonly TextRule[] = [
  {
    rule: 'no `any`: say what it is, or `unknown`',
    pattern: /(?::|\bas|[<|&,]|=>)\s*any\b(?!\s*[(:.])|\bany\s*(?:\[\]|>)/,
    view: 'code',
  },
  { rule: 'no @ts-ignore', pattern: /@ts-(?:ignore|nocheck)\b/, view: 'comments' },
  { rule: 'no @ts-expect-error', pattern: /@ts-expect-error\b/, view: 'comments', only: ['src/'] },
  {
    rule: 'time is read in src/core/clock.ts alone',
    pattern: /\bDate\.now\b|\bperformance\.now\b|\bnew Date\(\s*\)|\bhrtime\b/,
    view: 'code',
    only: ['src/'],
    except: ['src/core/clock.ts'],
  },
  {
    rule: 'no notes to self: do it, or open an issue',
    pattern: /\b(?:TODO|FIXME|XXX)\b/,
    view: 'comments',
  },
  { rule: 'no test that shuts out the others', pattern: /\.only\(|\bonly:\s*true\b/, view: 'code' },
  {
    rule: 'skip by skipUnless() of test/helpers/need.ts, which is heard',
    pattern: /\.(?:skip|todo)\(|\btodo:|\bskip:(?!\s*skipUnless\()/,
    view: 'code',
    only: ['test/'],
  },
];

const NAMELESS = /^(?:utils?|helpers?|misc|common|shared|lib)$/;
const LINES_MAX = 400;

/** `src/config/model.ts` → `config/model`; `src/relay/relay.ts` → `relay`; `src/main.ts` → `main`. */
function findPart(path: string): string {
  const inner = path.replace(/^src\//, '').replace(/\.[jt]s$/, '');
  return inner in EDGES ? inner : (inner.split('/')[0] ?? inner);
}

/** `../core/clock.js`, imported by src/relay/relay.ts → `src/core/clock.ts`. */
function resolveImport(importer: string, specifier: string): string {
  const folders = importer.split('/').slice(0, -1);
  for (const step of specifier.split('/')) {
    if (step === '..') folders.pop();
    else if (step !== '.') folders.push(step);
  }
  return folders.join('/').replace(/\.js$/, '.ts');
}

interface Import {
  readonly specifier: string;
  readonly isType: boolean;
  readonly index: number;
}

/** In `code` a specifier is blank between its quotes; its text stands at the same place in `raw`. */
const IMPORT =
  /(?:\b(import|export)\b(\s+type\b)?(?:[^'"`;=()]*?\bfrom)?\s*|\b(?:import|require)\s*\(\s*)(['"])( *)\3/g;

function findImports({ code, raw }: SourceText): Import[] {
  return [...code.matchAll(IMPORT)].map((match) => {
    const end = match.index + match[0].length - 1;
    const specifier = raw.slice(end - (match[4] ?? '').length, end);
    return { specifier, isType: match[2] !== undefined, index: match.index };
  });
}

function judgeImport(path: string, { specifier, isType }: Import): string | null {
  const part = findPart(path);
  const confined = CONFINED.find(
    ({ module }) =>
      specifier === module || specifier.startsWith(`${module}/`) || `node:${specifier}` === module,
  );
  if (confined !== undefined && !confined.parts.includes(part)) {
    return `${confined.module} belongs to ${confined.parts.join(', ') || 'nobody'}, not to ${part}`;
  }
  if (!specifier.startsWith('.')) return null;
  const target = resolveImport(path, specifier);
  if (!target.startsWith('src/')) return `src imports ${specifier}, which is outside of it`;
  const targetPart = findPart(target);
  if (targetPart === part) return null;
  const edges = EDGES[part];
  if (edges === undefined) return `${part} is not in the table of imports (tidy-rules.ts)`;
  if (edges.uses.includes(targetPart)) return null;
  if (isType && edges.types?.includes(targetPart)) return null;
  const isKnown = edges.types?.includes(targetPart) === true;
  return `${part} must not import ${targetPart}${isKnown ? ' but by `import type`' : ''}`;
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}

function judgeText(source: SourceText): Violation[] {
  const { path } = source;
  return TEXT_RULES.flatMap(({ rule, pattern, view, only, except }) => {
    if (only !== undefined && !only.some((start) => path.startsWith(start))) return [];
    if (except?.includes(path)) return [];
    return [...source[view].matchAll(new RegExp(pattern, 'g'))].map(({ index }) => ({
      path,
      line: lineAt(source.raw, index),
      rule,
    }));
  });
}

function judgeFile({ path, raw }: SourceText): Violation[] {
  const found: Violation[] = [];
  const lines = raw.split('\n').length - 1;
  if (lines > LINES_MAX) {
    found.push({ path, line: lines, rule: `${lines} lines; split by meaning at ${LINES_MAX}` });
  }
  const names = path.split('/').map((name) => name.replace(/\..*$/, ''));
  if (path.startsWith('src/') && names.some((name) => NAMELESS.test(name))) {
    found.push({ path, line: 1, rule: 'a name that says nothing: call it by what it holds' });
  }
  return found;
}

/** Judges files by path (from the repository's root, with slashes) and text. */
export function findViolations(files: ReadonlyMap<string, string>): Violation[] {
  return [...files].flatMap(([path, raw]) => {
    const source = readSource(path, raw);
    const found = [...judgeFile(source), ...judgeText(source)];
    if (path.startsWith('src/')) {
      for (const entry of findImports(source)) {
        const rule = judgeImport(path, entry);
        if (rule !== null) found.push({ path, line: lineAt(raw, entry.index), rule });
      }
    }
    return found;
  });
}

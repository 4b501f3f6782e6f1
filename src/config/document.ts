/**
 * The configuration file as YAML: its value for the schema, and the place of every key and value in
 * it for messages. Knows YAML, nothing of Weir.
 */
import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  type Scalar,
  visit,
  type YAMLError,
} from 'yaml';
import { hasVariables, interpolate } from './environment.js';

/** The way from the root to a value. */
export type Path = readonly (string | number)[];

export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface DocumentProblem {
  readonly offset: number;
  readonly text: string;
}

interface Place {
  /** The key's node; null for the root and for entries of a list. */
  readonly key: unknown;
  /** The value's node as it is written, maybe an alias. */
  readonly node: unknown;
}

// An alias may be used often, but aliases of aliases must not multiply into gigabytes.
const ALIAS_EXPANSIONS_MAX = 10_000;

export class SourceDocument {
  /** What the file says, with the variables filled in; null for an empty file. */
  readonly value: unknown;
  /** Problems of YAML itself and of variables. */
  readonly problems: readonly DocumentProblem[];
  /** Whether `value` is all there, so that the schema's problems with it would be real. */
  readonly isReadable: boolean;
  readonly #text: string;
  readonly #document: Document;
  readonly #lines = new LineCounter();
  /** The variables in each scalar that has any: such a value is never printed. */
  readonly #variables = new Map<unknown, readonly string[]>();
  /** Scalars whose variables could not be read. */
  readonly #unfilled = new Set<unknown>();

  constructor(text: string, env: NodeJS.ProcessEnv) {
    this.#text = text;
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      // Pretty errors quote the source line, which may hold a key.
      prettyErrors: false,
      stringKeys: true,
      uniqueKeys: false,
      merge: true,
      logLevel: 'error',
    });
    const faults = [...this.#document.errors, ...this.#document.warnings];
    // The parser calls itself for each level, so brackets without end exhaust the stack.
    if (faults.some((fault) => fault.message.includes('call stack')))
      throw new RangeError('nested');
    const problems = faults.map((fault) => this.#describeFault(fault));
    // After a fault the tree may be a guess.
    const isSound = faults.length === 0;
    const danglers = isSound ? this.#checkAliases() : [];
    if (isSound)
      problems.push(
        ...this.#checkKeysUnique(),
        ...danglers,
        ...this.#checkNames(),
        ...this.#fillVariables(env),
      );
    const hasTree = isSound && danglers.length === 0;
    const built = hasTree ? this.#buildValue() : { value: null, problem: null };
    if (built.problem !== null) problems.push(built.problem);
    this.value = built.value;
    this.problems = problems;
    this.isReadable = hasTree && built.problem === null;
  }

  toPosition(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }

  /** The value at a path, or undefined where there is none. */
  valueAt(path: Path): unknown {
    let value = this.value;
    for (const step of path) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step))
        return undefined;
      value = Reflect.get(value, step);
    }
    return value;
  }

  /** Where the key at the end of the path stands; for an entry of a list, the entry itself. */
  offsetOfKey(path: Path): number {
    const { key, node } = this.#locate(path);
    return startOf(key) ?? startOf(node) ?? 0;
  }

  /** Where the value at the end of the path stands; where nothing is written, its key. */
  offsetOfValue(path: Path): number {
    const { key, node } = this.#locate(path);
    const isEmpty = isScalar(node) && node.value === null && node.source === '';
    return (isEmpty ? startOf(key) : null) ?? startOf(node) ?? startOf(key) ?? 0;
  }

  /** The variables that the value at the path was made of. */
  variablesAt(path: Path): readonly string[] {
    return this.#variables.get(this.#follow(this.#locate(path).node)) ?? [];
  }

  /** Whether the value's variables could not be read, so that nothing more can be said about it. */
  isUnfilled(path: Path): boolean {
    return this.#unfilled.has(this.#follow(this.#locate(path).node));
  }

  /** The place at the end of the path, or of as much of the path as is there. */
  #locate(path: Path): Place {
    let place: Place = { key: null, node: this.#document.contents };
    for (const step of path) {
      const next = this.#childOf(this.#follow(place.node), step);
      if (next === null) break;
      place = next;
    }
    return place;
  }

  #childOf(parent: unknown, step: string | number): Place | null {
    if (isSeq(parent)) return { key: null, node: parent.items[Number(step)] };
    if (!isMap(parent)) return null;
    const own = parent.items.filter((pair) => nameOf(pair) === String(step)).at(-1);
    if (own !== undefined) return { key: own.key, node: own.value };
    for (const pair of parent.items) {
      if (nameOf(pair) !== '<<') continue;
      for (const source of this.#mergeSourcesOf(pair)) {
        const found = this.#childOf(source, step);
        if (found !== null) return found;
      }
    }
    return null;
  }

  #mergeSourcesOf(pair: Pair): unknown[] {
    const value = this.#follow(pair.value);
    return isSeq(value) ? value.items.map((item) => this.#follow(item)) : [value];
  }

  #follow(node: unknown): unknown {
    return isAlias(node) ? node.resolve(this.#document) : node;
  }

  #describeFault(fault: YAMLError): DocumentProblem {
    const offset = fault.pos[0];
    if (fault.code === 'MULTIPLE_DOCS')
      return { offset, text: 'a second YAML document begins here; expected one' };
    // After a colon such messages quote the source, which may hold a key.
    const message =
      fault.code === 'UNEXPECTED_TOKEN' ? fault.message.replace(/: .*$/s, '') : fault.message;
    const isBareVariable = this.#text.slice(Math.max(0, offset - 1), offset + 2).includes('${');
    const hint = isBareVariable ? ' Inside { } or [ ] a ${NAME} needs quotes: "${NAME}".' : '';
    return { offset, text: `YAML: ${message}${hint === '' ? '' : `.${hint}`}` };
  }

  /** The library compares each key with all before it, which takes minutes for 100,000 consumers. */
  #checkKeysUnique(): DocumentProblem[] {
    const problems: DocumentProblem[] = [];
    visit(this.#document, {
      Map: (_, map) => {
        const firsts = new Map<string, Pair>();
        for (const pair of map.items) {
          const name = nameOf(pair);
          const first = firsts.get(name);
          if (first === undefined) {
            firsts.set(name, pair);
          } else if (name !== '<<') {
            const { line } = this.toPosition(startOf(first.key) ?? 0);
            const text = `the key ${JSON.stringify(name)} is given twice; the first is in line ${line}`;
            problems.push({ offset: startOf(pair.key) ?? 0, text });
          }
        }
      },
    });
    return problems;
  }

  #checkAliases(): DocumentProblem[] {
    const problems: DocumentProblem[] = [];
    visit(this.#document, {
      Alias: (_, alias) => {
        if (alias.resolve(this.#document) !== undefined) return;
        const text = `the alias *${alias.source} refers to no anchor above it`;
        problems.push({ offset: startOf(alias) ?? 0, text });
      },
      Pair: (_, pair) => {
        if (nameOf(pair) !== '<<' || this.#mergeSourcesOf(pair).every(isMergeable)) return;
        const text = 'expected an alias of a mapping, or a list of such, after <<';
        problems.push({ offset: startOf(pair.key) ?? 0, text });
      },
    });
    return problems;
  }

  #checkNames(): DocumentProblem[] {
    const problems: DocumentProblem[] = [];
    visit(this.#document, {
      Pair: (_, pair) => {
        const name = nameOf(pair);
        const offset = startOf(pair.key) ?? 0;
        // Objects treat this name apart, so no validator can be trusted with it.
        if (name === '__proto__')
          problems.push({ offset, text: '"__proto__" cannot be used as a name' });
        if (hasVariables(name)) {
          problems.push({ offset, text: 'a variable cannot stand in a name, only in a value' });
        }
      },
    });
    return problems;
  }

  #fillVariables(env: NodeJS.ProcessEnv): DocumentProblem[] {
    const problems: DocumentProblem[] = [];
    visit(this.#document, {
      Scalar: (key, scalar) => {
        if (key === 'key' || typeof scalar.value !== 'string' || !hasVariables(scalar.value))
          return;
        const { value, names, failures } = interpolate(scalar.value, env);
        for (const failure of failures) {
          problems.push({
            offset: this.#offsetWithin(scalar, failure.offset),
            text: failure.reason,
          });
        }
        if (failures.length > 0) this.#unfilled.add(scalar);
        scalar.value = value;
        if (names.length > 0) this.#variables.set(scalar, names);
      },
    });
    return problems;
  }

  /** Where the n-th `${` of a scalar's value stands in the source, which may be quoted or folded. */
  #offsetWithin(scalar: Scalar, offsetInValue: number): number {
    const [start, end] = scalar.range ?? [0, 0];
    const source = this.#text.slice(start, end);
    const ordinal = String(scalar.value).slice(0, offsetInValue).split('${').length;
    let at = -1;
    for (let i = 0; i < ordinal; i++) at = source.indexOf('${', at + 1);
    return at < 0 ? start : start + at;
  }

  #buildValue(): { value: unknown; problem: DocumentProblem | null } {
    try {
      return { value: this.#document.toJS({ maxAliasCount: ALIAS_EXPANSIONS_MAX }), problem: null };
    } catch (error) {
      const text = `YAML: ${error instanceof Error ? error.message : String(error)}`;
      return { value: null, problem: { offset: startOf(this.#document.contents) ?? 0, text } };
    }
  }
}

/** An alias without an anchor is reported as such, once. */
function isMergeable(node: unknown): boolean {
  return node === undefined || isMap(node);
}

function nameOf(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : '';
}

function startOf(node: unknown): number | null {
  if (isPair(node)) return startOf(node.key);
  return isScalar(node) || isMap(node) || isSeq(node) || isAlias(node)
    ? (node.range?.[0] ?? null)
    : null;
}

/**
 * Collects everything that is wrong with a configuration file and prints it, one line each:
 * `weir.yaml:12:5: providers.openai.dialect: expected one of openai, anthropic; got "opnai". Did you
 * mean "openai"?` Values of variables and of secret fields are never printed.
 */
import type { z } from 'zod';
import { BOUNDS } from '../core/bounds.js';
import { nearestNames } from '../core/nearest.js';
import type { Path, SourceDocument } from './document.js';
import { Refusal } from './refusal.js';

const SHOWN_CHARS_MAX = 60;
const LISTED_NAMES_MAX = 12;

interface Problem {
  readonly offset: number;
  readonly path: Path;
  readonly text: string;
}

export class Problems {
  readonly #file: string;
  readonly #document: SourceDocument;
  readonly #found: Problem[] = [];

  constructor(file: string, document: SourceDocument) {
    this.#file = file;
    this.#document = document;
    for (const { offset, text } of document.problems) this.#add(offset, [], text);
  }

  get isEmpty(): boolean {
    return this.#found.length === 0;
  }

  /** A value that is wrong, or missing. */
  refuse(path: Path, refusal: Refusal): void {
    if (this.#document.valueAt(path) === undefined) {
      this.#add(
        this.#document.offsetOfKey(path.slice(0, -1)),
        path,
        `missing; expected ${refusal.expected}`,
      );
    } else if (!this.#document.isUnfilled(path)) {
      this.#add(this.#document.offsetOfValue(path), path, this.#describeRefusal(path, refusal));
    }
  }

  /** A key that should not be there. */
  refuseKey(path: Path, reason: string): void {
    this.#add(this.#document.offsetOfKey(path), path, reason);
  }

  addIssues(issues: readonly z.core.$ZodIssue[], base: Path = []): void {
    for (const issue of issues) this.#addIssue(issue, [...base, ...issue.path.map(toStep)]);
  }

  toString(): string {
    const sorted = [...this.#found].sort((a, b) => a.offset - b.offset);
    const lines = new Map<string, string>();
    for (const { offset, path, text } of sorted) {
      // What stands behind an anchor is found wrong once for each alias, under another path.
      const key = JSON.stringify([offset, path.at(-1), text]);
      if (lines.has(key)) continue;
      const { line, column } = this.#document.toPosition(offset);
      const where = path.length === 0 ? '' : `${formatPath(path)}: `;
      lines.set(key, `${this.#file}:${line}:${column}: ${where}${text}`);
    }
    return [...lines.values()].join('\n');
  }

  #addIssue(issue: z.core.$ZodIssue, path: Path): void {
    switch (issue.code) {
      case 'custom': {
        const refusal: unknown = issue.params?.['refusal'];
        this.refuse(path, refusal instanceof Refusal ? refusal : new Refusal(issue.message));
        return;
      }
      case 'unrecognized_keys':
        for (const key of issue.keys) {
          // The schema's message is the list of the keys that it knows.
          this.refuseKey([...path, key], `unknown key${suggest(key, issue.message.split(' '))}`);
        }
        return;
      case 'invalid_union': {
        // Every union in the schema is a short form and, last, a mapping.
        const isMapping = isRecord(this.#document.valueAt(path));
        this.addIssues((isMapping ? issue.errors.at(-1) : issue.errors[0]) ?? [], path);
        return;
      }
      case 'invalid_key':
        this.refuseKey(path, issue.issues.map((inner) => inner.message).join('; '));
        return;
      case 'too_small':
        this.refuse(path, new Refusal('at least one entry'));
        return;
      case 'invalid_type':
        this.refuse(
          path,
          new Refusal(issue.expected === 'array' ? 'a list' : 'a mapping', { isTyped: true }),
        );
        return;
      default:
        this.refuse(path, new Refusal(issue.message));
    }
  }

  #describeRefusal(path: Path, refusal: Refusal): string {
    if (refusal.reason !== null) return refusal.reason;
    const value = this.#document.valueAt(path);
    const variables = this.#document.variablesAt(path);
    const isHidden = refusal.isSecret || refusal.isTyped || variables.length > 0;
    const got =
      variables.length > 0
        ? `what \${${variables.join('}${')}} holds`
        : describeValue(value, isHidden);
    const hint =
      typeof value === 'string' && !isHidden ? suggest(value, refusal.candidates, '') : '';
    return `expected ${refusal.expected}; got ${got}${hint}`;
  }

  #add(offset: number, path: Path, text: string): void {
    this.#found.push({ offset, path, text });
  }
}

/** `models["gpt-4.1"].targets[0].provider` */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (!/^[\w-]+$/.test(step)) text += `[${JSON.stringify(shorten(step))}]`;
    else text += text === '' ? step : `.${step}`;
  }
  return text;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `. Did you mean "x"?`, or the known names where none is near and the list is short. */
export function suggest(
  name: string,
  known: readonly string[],
  none = `; expected ${listNames(known)}`,
): string {
  const near = nearestNames(name, known, BOUNDS.suggestionsMax);
  if (near.length === 0) return none;
  return `. Did you mean ${near.map((candidate) => JSON.stringify(candidate)).join(' or ')}?`;
}

export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, LISTED_NAMES_MAX).join(', ');
  const rest = names.length - LISTED_NAMES_MAX;
  return `${names.length > 1 ? 'one of ' : ''}${shown}${rest > 0 ? ` and ${rest} more` : ''}`;
}

function describeValue(value: unknown, isHidden: boolean): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (isHidden) return typeof value === 'string' ? 'a text' : `a ${typeof value}`;
  return typeof value === 'string' ? JSON.stringify(shorten(value)) : String(value);
}

function shorten(text: string): string {
  return text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text;
}

function toStep(step: PropertyKey): string | number {
  return typeof step === 'symbol' ? String(step) : step;
}

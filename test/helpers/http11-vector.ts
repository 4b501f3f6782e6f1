/** One odd request, what it stands for, and the rule that it is judged by. */
import type { Bytes } from './http11-requests.js';
import type { Rule } from './http11-rules.js';

export type SuiteName = 'smuggling' | 'compliance' | 'malformed' | 'h1spec';

export interface Http11Vector {
  /** Of the first three suites it names the same case as in MDA2AV/Http11Probe. */
  readonly id: string;
  readonly suite: SuiteName;
  /** Where the RFC says it. */
  readonly section: string;
  readonly rule: Rule;
  readonly bytes: Bytes;
  /** The body by the RFC's reading; undefined where that leaves it open. */
  readonly body: string | undefined;
  readonly toHead: boolean;
  /** Whether it counts: matters of taste don't. */
  readonly isScored: boolean;
}

export interface VectorOptions {
  readonly body?: string;
  readonly toHead?: boolean;
  readonly isScored?: boolean;
}

/** Makes the vectors of one suite. */
export function createVectors(suite: SuiteName) {
  return (
    id: string,
    section: string,
    rule: Rule,
    bytes: Bytes,
    { body, toHead = false, isScored = true }: VectorOptions = {},
  ): Http11Vector => ({ id, suite, section, rule, bytes, body, toHead, isScored });
}

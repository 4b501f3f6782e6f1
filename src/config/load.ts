/** Reads the configuration file: all of it is right, or everything that is wrong is told at once. */
import { readFileSync } from 'node:fs';
import { OperatorError } from '../core/errors.js';
import { checkConsistency } from './consistency.js';
import { SourceDocument } from './document.js';
import type { WeirConfig } from './model.js';
import { isNestedTooDeeply } from './nesting.js';
import { isRecord, Problems } from './problems.js';
import { checkRates } from './rates.js';
import { checkReferences } from './references.js';
import { Refusal } from './refusal.js';
import { resolveConfig } from './resolve.js';
import { fileSchema } from './schema.js';

/** Throws an OperatorError with one line for each problem. */
export function loadConfig(file: string, env: NodeJS.ProcessEnv): WeirConfig {
  return parseConfig(readText(file), file, env);
}

/** As loadConfig, for a text that was read already; `file` is for messages and relative paths. */
export function parseConfig(text: string, file: string, env: NodeJS.ProcessEnv): WeirConfig {
  const document = readDocument(text, file, env);
  const problems = new Problems(file, document);
  const { value } = document;
  if (!document.isReadable) throw new OperatorError(problems.toString());
  if (!isRecord(value)) {
    const isEmpty = text.trim() === '' || value === null;
    const reason = isEmpty ? 'the file is empty; expected at least providers and models' : null;
    problems.refuse([], new Refusal('a mapping', reason === null ? { isTyped: true } : { reason }));
    throw new OperatorError(problems.toString());
  }
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) problems.addIssues(parsed.error.issues);
  checkConsistency(value, problems);
  checkReferences(value, problems);
  if (parsed.success && problems.isEmpty) checkRates(parsed.data, problems);
  if (!parsed.success || !problems.isEmpty) throw new OperatorError(problems.toString());
  return resolveConfig(file, parsed.data);
}

function readDocument(text: string, file: string, env: NodeJS.ProcessEnv): SourceDocument {
  if (isNestedTooDeeply(text)) throw new OperatorError(`${file}:1:1: YAML: nested too deeply`);
  return new SourceDocument(text, env);
}

function readText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new OperatorError(`${file}: ${describeReadError(error)}`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new OperatorError(`${file}: the file is not valid UTF-8`);
  }
}

function describeReadError(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'no such file; name one with --config';
  if (code === 'EISDIR') return 'is a directory; expected a file';
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read (permission denied)';
  return `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}

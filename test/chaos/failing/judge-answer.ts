/** What an answer is, measured against what its id says it must be. */
import type { HttpMessage } from '../../helpers/strict-http.js';
import { isErrorOf, renderAnswer } from './answers.js';
import type { Spec } from './spec.js';

export type Verdict =
  | { readonly kind: 'whole' }
  | { readonly kind: 'cut' }
  | { readonly kind: 'error'; readonly status: number }
  | { readonly kind: 'wrong'; readonly what: string };

const ERRORS_FROM = 400;
const OK = 200;

export function judgeAnswer(spec: Spec, answer: HttpMessage): Verdict {
  const { status, complete, text } = answer;
  if (status >= ERRORS_FROM) {
    return complete && isErrorOf(spec.dialect, text)
      ? { kind: 'error', status }
      : { kind: 'wrong', what: `error ${status} of no known shape: ${show(text)}` };
  }
  if (status !== OK) return { kind: 'wrong', what: `status ${status}` };
  const { pieces } = renderAnswer(spec, spec.asksUsage);
  const expected = pieces.join('');
  if (complete) {
    return text === expected ? { kind: 'whole' } : { kind: 'wrong', what: compare(text, expected) };
  }
  return judgeCut(spec, text, expected);
}

/** It must be the beginning of its own answer; a stream's last event then says that it was cut. */
function judgeCut(spec: Spec, text: string, expected: string): Verdict {
  if (expected.startsWith(text)) return { kind: 'cut' };
  const errorAt = text.lastIndexOf('data: {', text.length);
  const eventAt = text.lastIndexOf('event: error', errorAt);
  const cutAt = spec.dialect === 'anthropic' ? eventAt : errorAt;
  const own = text.slice(0, Math.max(cutAt, 0));
  const error = text.slice(errorAt + 'data: '.length).trim();
  const isOwn = expected.startsWith(own) || expected.startsWith(own.trimEnd());
  return isOwn && isErrorOf(spec.dialect, error)
    ? { kind: 'cut' }
    : { kind: 'wrong', what: `cut, and ${compare(text, expected)}` };
}

function compare(text: string, expected: string): string {
  let at = 0;
  while (at < text.length && text[at] === expected[at]) at++;
  return `after ${at} bytes of ${expected.length}: ${show(text.slice(at))}`;
}

function show(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

/** How the price list tells whether a price is for a model's name: plain data, matched here. */

export type NameMatch =
  | { readonly or: readonly NameMatch[] }
  | { readonly and: readonly NameMatch[] }
  | { readonly equals: string }
  | { readonly starts_with: string }
  | { readonly ends_with: string }
  | { readonly contains: string }
  | { readonly regex: string };

/** @param name in lower case, as the texts in `match` are. */
export function matchesName(match: NameMatch, name: string): boolean {
  if ('equals' in match) return name === match.equals;
  if ('or' in match) return match.or.some((one) => matchesName(one, name));
  if ('and' in match) return match.and.every((one) => matchesName(one, name));
  if ('starts_with' in match) return name.startsWith(match.starts_with);
  if ('ends_with' in match) return name.endsWith(match.ends_with);
  if ('contains' in match) return name.includes(match.contains);
  return compile(match.regex).test(name);
}

/** The list's own patterns, a few dozen; filled by nothing that a client sends. */
const PATTERNS = new Map<string, RegExp>();

function compile(source: string): RegExp {
  let pattern = PATTERNS.get(source);
  if (pattern === undefined) {
    pattern = new RegExp(source);
    PATTERNS.set(source, pattern);
  }
  return pattern;
}

/** Names end in a day in two ways, `-20250514` and `-2025-05-14`; the list may know the other one. */
const COMPACT_DAY = /-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)/g;

export function spellDays(name: string): string {
  return name.replace(COMPACT_DAY, '-$1-$2-$3');
}

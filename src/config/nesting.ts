/** Looks at how deep a YAML text nests before anything that calls itself for each level does. */
import { type CST, Parser } from 'yaml';
import { BOUNDS } from '../core/bounds.js';

export function isNestedTooDeeply(text: string): boolean {
  // Tokens are built without recursion, and walked without it here.
  let level: CST.Token[] = [...new Parser().parse(text)];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > BOUNDS.configDepthMax) return true;
    level = level.flatMap(listChildren);
  }
  return false;
}

function listChildren(token: CST.Token): CST.Token[] {
  if (token.type === 'document') return token.value === undefined ? [] : [token.value];
  if (!('items' in token)) return [];
  return token.items.flatMap(({ key, value }) =>
    [key, value].filter((child) => child !== undefined && child !== null),
  );
}

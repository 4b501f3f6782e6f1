/**
 * What the file may say although this version does not act upon it yet: one sentence each, logged at
 * start, so that nobody relies on a limit that is not there.
 */
import type { WeirConfig } from './model.js';

const LISTED_NAMES_MAX = 5;

export function describeUnenforced(config: Omit<WeirConfig, 'warnings'>): string[] {
  const sentences = [
    sentence(
      'fallbacks of',
      'model',
      config.models.filter((model) => model.fallbacks.length > 0),
      'a failure is answered to the caller',
    ),
  ];
  return sentences.filter((entry) => entry !== null);
}

function sentence(
  what: string,
  kind: string,
  owners: readonly { readonly name: string }[],
  consequence: string,
): string | null {
  if (owners.length === 0) return null;
  const names = owners.slice(0, LISTED_NAMES_MAX).map((owner) => JSON.stringify(owner.name));
  const rest = owners.length - names.length;
  const more = rest > 0 ? ` and ${rest} more` : '';
  const plural = owners.length > 1 ? 's' : '';
  return `${what} ${kind}${plural} ${names.join(', ')}${more}: not enforced by this version; ${consequence}.`;
}

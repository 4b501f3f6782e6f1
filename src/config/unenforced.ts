/**
 * What the file may say although this version does not act upon it yet: one sentence each, logged at
 * start, so that nobody relies on a limit that is not there.
 */
import type { ModelConfig, WeirConfig } from './model.js';

const LISTED_NAMES_MAX = 5;

export function describeUnenforced(config: Omit<WeirConfig, 'warnings'>): string[] {
  const sentences = [
    sentence(
      'fallbacks that speak another dialect than',
      'model',
      config.models.filter((model) => needsTranslation(model, config)),
      'they are passed over',
    ),
  ];
  return sentences.filter((entry) => entry !== null);
}

/** Nothing is translated yet, so who speaks another dialect than the caller can't take over. */
function needsTranslation(
  model: ModelConfig,
  { models, providers }: Pick<WeirConfig, 'models' | 'providers'>,
): boolean {
  const dialects = new Map(providers.map(({ name, dialect }) => [name, dialect]));
  const spoken = ({ targets }: ModelConfig): Set<string | undefined> =>
    new Set(targets.map(({ provider }) => dialects.get(provider)));
  const own = spoken(model);
  const chained = new Set([
    ...model.fallbacks,
    ...model.contextFallbacks,
    ...model.contentFallbacks,
  ]);
  return models.some(
    (other) => chained.has(other.name) && ![...spoken(other)].some((dialect) => own.has(dialect)),
  );
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

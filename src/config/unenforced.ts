/**
 * What the file may say although this version does not act upon it yet: one sentence each, logged at
 * start, so that nobody relies on a limit that is not there.
 */
import type { ModelConfig, WeirConfig } from './model.js';

const LISTED_NAMES_MAX = 5;

export function describeUnenforced(config: Omit<WeirConfig, 'warnings'>): string[] {
  // With one target there is nothing to choose.
  const balanced = config.models.filter((model) => model.targets.length > 1);
  const sentences = [
    sentence('balance of', 'model', balanced.filter(needsBalancer), 'the targets take turns'),
    sentence('weight in', 'model', balanced.filter(hasWeights), 'the targets take turns'),
    sentence(
      'fallbacks that speak another dialect than',
      'model',
      config.models.filter((model) => needsTranslation(model, config)),
      'they are passed over',
    ),
  ];
  return sentences.filter((entry) => entry !== null);
}

/** With equal weights, turns are what `weighted` asks for. */
function needsBalancer(model: ModelConfig): boolean {
  return model.balance !== 'round-robin' && model.balance !== 'weighted';
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

function hasWeights(model: ModelConfig): boolean {
  return model.targets.some((target) => target.weight !== model.targets[0]?.weight);
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

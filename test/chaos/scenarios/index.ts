/** All scenarios, in the order of docs/endurance.md. */
import type { Scenario } from '../scenario.js';
import { failingTargets } from './failing-targets.js';
import { fuzz } from './fuzz.js';
import { reload } from './reload.js';
import { soak } from './soak.js';

export const SCENARIOS: readonly Scenario[] = [failingTargets, reload, fuzz, soak];

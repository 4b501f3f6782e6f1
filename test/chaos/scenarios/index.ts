/** All scenarios, in the order of docs/endurance.md. */
import type { Scenario } from '../scenario.js';
import { failingTargets } from './failing-targets.js';

export const SCENARIOS: readonly Scenario[] = [failingTargets];

/** All scenarios, in the order of docs/endurance.md. */
import type { Scenario } from '../scenario.js';

export const SCENARIOS: readonly Scenario[] = [];

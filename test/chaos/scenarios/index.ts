/** All scenarios, in the order of docs/endurance.md. */
import type { Scenario } from '../scenario.js';
import { reload } from './reload.js';

export const SCENARIOS: readonly Scenario[] = [reload];

/** All scenarios, in the order of docs/endurance.md. */
import type { Scenario } from '../scenario.js';
import { overload } from './overload.js';

export const SCENARIOS: readonly Scenario[] = [overload];

/** All scenarios, in the order of docs/endurance.md. */
import type { Scenario } from '../scenario.js';
import { CONFORMANCE } from './conformance.js';

export const SCENARIOS: readonly Scenario[] = [CONFORMANCE];

/** All scenarios, in the order of docs/endurance.md. */
import type { Scenario } from '../scenario.js';
import { CONFORMANCE } from './conformance.js';
import { SLOW_CLIENTS } from './slow-clients.js';

export const SCENARIOS: readonly Scenario[] = [CONFORMANCE, SLOW_CLIENTS];

/** All scenarios, in the order of docs/endurance.md. */
import type { Scenario } from '../scenario.js';
import { conformance } from './conformance.js';
import { reload } from './reload.js';
import { slowClients } from './slow-clients.js';

export const SCENARIOS: readonly Scenario[] = [conformance, slowClients, reload];

/** All scenarios, in the order of docs/endurance.md. */
import type { Scenario } from '../scenario.js';
import { crash } from './crash.js';
import { reload } from './reload.js';
import { upgrade } from './upgrade.js';

export const SCENARIOS: readonly Scenario[] = [reload, upgrade, crash];

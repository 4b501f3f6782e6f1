/** All scenarios, in the order of docs/endurance.md. */
import type { Scenario } from '../scenario.js';
import { conformance } from './conformance.js';
import { crash } from './crash.js';
import { failingTargets } from './failing-targets.js';
import { fuzz } from './fuzz.js';
import { overload } from './overload.js';
import { reload } from './reload.js';
import { slowClients } from './slow-clients.js';
import { soak } from './soak.js';
import { upgrade } from './upgrade.js';

export const SCENARIOS: readonly Scenario[] = [
  failingTargets,
  reload,
  upgrade,
  crash,
  overload,
  conformance,
  slowClients,
  fuzz,
  soak,
];

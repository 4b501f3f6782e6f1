/** A worker thread with its own view of a health table; does what it is told and says when it is done. */
import { parentPort, workerData } from 'node:worker_threads';
import { HealthTable } from '../../src/health/table.js';
import type { HealthCommand, HealthOrder } from './health-threads.js';

const { buffer, plan, column } = workerData as HealthOrder;
const table = new HealthTable(buffer, plan, column, () => 0);

parentPort?.on('message', (command: HealthCommand) => {
  parentPort?.postMessage(run(command));
});

function run(command: HealthCommand): unknown {
  const { index, nowMs } = command;
  switch (command.what) {
    case 'is-usable':
      return table.isUsable(index, nowMs);
    case 'attempt':
      return table.noteAttempt(index, nowMs);
    case 'success':
      return table.noteSuccess(index, nowMs);
    case 'fail':
      for (let time = 0; time < command.times; time += 1) table.noteFailure(index, nowMs);
      return null;
    case 'storm':
      return storm(command.times, nowMs);
  }
}

/** Everything at once on all targets, with a clock of its own; returns how often it saw too many ejected. */
function storm(
  rounds: number,
  startMs: number,
): { readonly excess: number; readonly trials: number } {
  const count = plan.targets.length;
  const { ejectableMax } = plan.targets[0]!;
  let seed = column + 1;
  let excess = 0;
  let trials = 0;
  for (let round = 0; round < rounds; round += 1) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    const index = (seed >>> 8) % count;
    const nowMs = startMs + round;
    switch ((seed >>> 16) % 5) {
      case 0:
        if (table.isUsable(index, nowMs) && table.noteAttempt(index, nowMs)) trials += 1;
        break;
      case 1:
        table.noteSuccess(index, nowMs);
        break;
      case 2:
        table.setDrained(index, (seed & 0x1000) !== 0);
        break;
      default:
        table.noteFailure(index, nowMs);
    }
    if (table.places.count(0) > ejectableMax) excess += 1;
  }
  return { excess, trials };
}

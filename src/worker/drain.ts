/**
 * Ends a worker in the one order that works (T-2 of the platform's pitfalls): stop listening, wait until nothing is in
 * flight or the time is over, close the app, close the providers' connections, and let the thread end by itself.
 */
import type { Listener } from '../accept/listener.js';
import { BOUNDS } from '../core/bounds.js';
import { nowMs } from '../core/clock.js';
import type { WorkerRuntime } from './runtime.js';

/** @param onDrained told how many exchanges had to be cut; called once, after everything is closed. */
export function drain(
  listener: Listener,
  runtime: WorkerRuntime,
  timeoutMs: number,
  onDrained: (cut: number) => void,
): void {
  const startedMs = nowMs();
  let quietSinceMs: number | null = null;
  runtime.isDraining = true;
  listener.stopListening();
  const timer = setInterval(() => {
    const now = nowMs();
    const isLate = now - startedMs >= timeoutMs;
    if (runtime.inFlight > 0) {
      quietSinceMs = null;
    } else {
      quietSinceMs ??= now;
    }
    // A client that has its answer may still be reading the end of it out of uWebSockets.js's buffer.
    const isQuiet =
      quietSinceMs !== null && (runtime.connections === 0 || now - quietSinceMs >= BOUNDS.lingerMs);
    if (!isQuiet && !isLate) {
      return;
    }
    clearInterval(timer);
    const cut = runtime.inFlight;
    runtime.isClosing = true;
    listener.close();
    runtime.closeProviders();
    runtime.log.close();
    onDrained(cut);
  }, BOUNDS.timerTickMs);
}

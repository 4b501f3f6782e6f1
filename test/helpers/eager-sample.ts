/**
 * What an event stream's text is measured to be where every event that is due is read when it comes. Slow: the oracle for
 * a tap that keeps such events unread.
 */
import { UsageFigures } from '../../src/relay/json-usage.js';
import { JsonWalk } from '../../src/relay/json-walk.js';
import { findEventEnd, SseLines } from '../../src/relay/sse-lines.js';

const HEAD_EVENTS = 16;
const SAMPLED_EACH = 32;

export interface Measured {
  readonly eventCount: number;
  readonly contentEventCount: number;
  readonly contentBytes: number;
}

/** Gives what is measured after each piece. The stream must hold no usage, whose events are read whether due or not. */
export function measureEagerly(pieces: readonly Buffer[]): Measured[] {
  const walk = new JsonWalk(new UsageFigures());
  const lines = new SseLines(walk);
  const head: number[] = [];
  const tail: number[] = [];
  let eventCount = 0;
  const isDue = (): boolean =>
    eventCount < HEAD_EVENTS || (eventCount - HEAD_EVENTS) % SAMPLED_EACH === 0;
  const read = (piece: Buffer, from: number): number => {
    const end = lines.read(piece, from);
    if (lines.isBetweenEvents && lines.takeHasData()) {
      if (eventCount < HEAD_EVENTS) head.push(walk.textBytes);
      else if (isDue()) tail.push(walk.textBytes);
      eventCount += 1;
    }
    return end;
  };
  return pieces.map((piece) => {
    let at = lines.begin(piece);
    if (!lines.isBetweenEvents) at = read(piece, at);
    while (at < piece.length) {
      const end = findEventEnd(piece, at);
      if (end < 0 || isDue()) {
        at = read(piece, at);
      } else {
        if (end - at > 2) eventCount += 1;
        lines.passOver(piece, end);
        at = end;
      }
    }
    return {
      eventCount,
      contentEventCount: extrapolate(head.map(Math.sign), tail.map(Math.sign), eventCount),
      contentBytes: extrapolate(head, tail, eventCount),
    };
  });
}

function extrapolate(head: readonly number[], tail: readonly number[], eventCount: number): number {
  const ofHead = sum(head);
  if (tail.length === 0) return ofHead;
  return ofHead + Math.round((eventCount - HEAD_EVENTS) * (sum(tail) / tail.length));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

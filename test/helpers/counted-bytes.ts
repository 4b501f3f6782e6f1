/**
 * Bytes that count how often they are looked at, so that a test can tell linear from quadratic work
 * without a clock.
 */
export interface CountedBytes {
  readonly bytes: Uint8Array;
  /** Bytes read one by one, and bytes that native searches went over. */
  countReads(): number;
}

export function countReads(source: Uint8Array): CountedBytes {
  let reads = 0;
  const indexOf = (value: number, from = 0): number => {
    const found = source.indexOf(value, from);
    reads += (found < 0 ? source.length : found + 1) - from;
    return found;
  };
  const bytes = new Proxy(source, {
    get(target, property): unknown {
      if (property === 'indexOf') return indexOf;
      if (typeof property === 'string' && property >= '0' && property <= '9~') reads++;
      return Reflect.get(target, property, target);
    },
  });
  return { bytes, countReads: () => reads };
}

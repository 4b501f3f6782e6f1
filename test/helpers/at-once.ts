/** Runs `work` for each item, at most `atATime` at a time; the first failure is the result's. */
export async function forEachAtOnce<T>(
  items: readonly T[],
  atATime: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const runner = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) await work(items[at] as T, at);
  };
  await Promise.all(Array.from({ length: Math.min(atATime, items.length) }, runner));
}

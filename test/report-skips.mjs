/**
 * A second reporter beside `spec`: lists what was skipped, at the end, where it is read. With
 * WEIR_REQUIRE_ALL=1 a skipped test is a failure, however it came to be skipped.
 */
export default async function* reportSkips(events) {
  const skipped = [];
  for await (const { type, data } of events) {
    const reason = data?.skip ?? data?.todo;
    if (
      (type === 'test:pass' || type === 'test:fail') &&
      reason !== undefined &&
      reason !== false
    ) {
      skipped.push(`#   ${data.name}${typeof reason === 'string' ? `: ${reason}` : ''}`);
    }
  }
  if (skipped.length === 0) return;
  const isFailure = process.env.WEIR_REQUIRE_ALL === '1';
  if (isFailure) process.exitCode = 1;
  const verdict = isFailure ? 'and everything was required: this run has FAILED' : 'NOT tested';
  yield `\n# SKIPPED ${skipped.length} tests, ${verdict}\n${skipped.join('\n')}\n`;
}

/**
 * A second reporter beside `spec`, for test/run.mjs: the counts of one file and what was skipped in
 * it, as one line of JSON. A file that dies before its end leaves none, and that is told apart.
 */
export default async function* report(events) {
  const counts = { passed: 0, failed: 0, skipped: [] };
  for await (const { type, data } of events) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.details?.type === 'suite') continue;
    const reason = data.skip ?? data.todo;
    if (reason !== undefined && reason !== false) {
      counts.skipped.push(typeof reason === 'string' ? `${data.name}: ${reason}` : data.name);
    } else if (type === 'test:pass') counts.passed += 1;
    else counts.failed += 1;
  }
  yield JSON.stringify(counts);
}

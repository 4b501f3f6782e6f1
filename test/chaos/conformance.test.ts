/** The short form of the scenario `conformance`: all vectors of HTTP/1.1 against Weir alone, judged by what the RFC asks. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { ProbeResult } from '../helpers/http11-probe.js';
import type { SuiteName } from '../helpers/http11-vector.js';
import { HTTP11_COUNTS, HTTP11_VECTORS } from '../helpers/http11-vectors.js';
import { describeResult, type ProxyRun, runWeir } from './conformance-grid.js';

/** Where Weir does not do what the RFC asks, and why. All of it is uWebSockets.js's parser, which JavaScript can't see into. */
const GAPS: Readonly<Record<string, string>> = {
  'SMUG-CHUNK-BARE-SEMICOLON': 'extensions are skipped unread by newer binaries',
  'SMUG-CHUNK-EXT-INVALID-TOKEN': 'extensions are skipped unread by newer binaries',
  'SMUG-CHUNK-EXT-CTRL': 'extensions are skipped unread by newer binaries',
  'SMUG-CHUNK-LEADING-SP': 'newer binaries read the chunk as meant; the connection ends',
  'SMUG-CHUNK-SIZE-TRAILING-OWS':
    'the chunk is read as meant; framed anew, and the connection ends',
  'SMUG-CHUNK-MISSING-TRAILING-CRLF': 'the same',
  'SMUG-CHUNK-SPILL': 'the same; what is beyond the chunk’s size is dropped',
  'SMUG-PIPELINE-SAFE': 'a second request while an answer is owed closes the connection (U-11)',
  'COMP-OPTIONS-STAR': 'only targets that begin with a slash are taken; 505',
  'COMP-ABSOLUTE-FORM': 'the same',
  'RFC9112-5-EMPTY-HEADER-NAME': 'headers behind an empty name are not shown; the rest is safe',
  'COMP-CHUNKED-TRAILER-VALID': 'trailers are not read; 505, and the connection ends',
  'COMP-HTTP10-DEFAULT-CLOSE': 'HTTP/1.0 is not spoken; 505 (U-21)',
};

describe('HTTP/1.1 conformance', () => {
  let run: ProxyRun;

  before(async () => {
    run = await runWeir();
  });

  function complain(isWrong: (result: ProbeResult) => boolean): string[] {
    return run.results
      .filter(isWrong)
      .map((result) => `${result.vector.id}: ${describeResult(result)}`);
  }

  it('P-34 a-vector-was-lost-on-the-way', () => {
    const counts: Record<string, number> = {};
    for (const { suite } of HTTP11_VECTORS) counts[suite] = (counts[suite] ?? 0) + 1;
    const expected: Readonly<Record<SuiteName, number>> = HTTP11_COUNTS;
    assert.deepEqual(counts, expected);
    assert.equal(new Set(HTTP11_VECTORS.map(({ id }) => id)).size, HTTP11_VECTORS.length);
  });

  it('P-02 conformance-vector-is-smuggled', () => {
    assert.deepEqual(
      complain(({ fault }) => fault === 'smuggled'),
      [],
    );
    assert.deepEqual(run.complaints, []);
  });

  it('P-01 conformance-vector-reaches-the-upstream-malformed', () => {
    assert.deepEqual(
      complain(({ seen }) => seen.rejected.length > 0),
      [],
    );
  });

  it('P-01 conformance-vector-hangs', () => {
    assert.deepEqual(
      complain(({ fault }) => fault === 'hung'),
      [],
    );
  });

  it('P-35 conformance-vector-crashes-the-gateway', () => {
    assert.equal(run.totals.crashed, 0);
  });

  it('P-34 conformance-vector-is-judged-against-the-rfc', (context) => {
    const { pass, lenient, fail, late } = run.totals;
    context.diagnostic(
      `${pass} as asked, ${lenient} lenient, ${fail} against; ${late} not answered, closed by a timer`,
    );
    assert.deepEqual(
      complain(({ vector, verdict }) => verdict === 'fail' && !(vector.id in GAPS)),
      [],
    );
  });
});

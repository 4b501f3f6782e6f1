/**
 * All vectors of HTTP/1.1 conformance, by suite: 87 about smuggling, 76 about what is plainly valid or not and 26 of broken
 * bytes, named as in MDA2AV/Http11Probe, and the 33 situations of uNetworking/h1spec. Only the names are theirs.
 */
import type { Http11Vector, SuiteName } from './http11-vector.js';
import { COMPLIANCE_VECTORS } from './http11-vectors-compliance.js';
import { DESYNC_VECTORS } from './http11-vectors-desync.js';
import { H1SPEC_VECTORS } from './http11-vectors-h1spec.js';
import { MALFORMED_VECTORS } from './http11-vectors-malformed.js';
import { SMUGGLING_VECTORS } from './http11-vectors-smuggling.js';

export const HTTP11_VECTORS: readonly Http11Vector[] = [
  ...SMUGGLING_VECTORS,
  ...DESYNC_VECTORS,
  ...COMPLIANCE_VECTORS,
  ...MALFORMED_VECTORS,
  ...H1SPEC_VECTORS,
];

/** How many there must be, so that none is lost unnoticed. */
export const HTTP11_COUNTS: Readonly<Record<SuiteName, number>> = {
  smuggling: 87,
  compliance: 76,
  malformed: 26,
  h1spec: 33,
};

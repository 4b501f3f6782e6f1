/**
 * What a request's target may hold. Weir forwards paths as they came, so a path that a provider's server
 * could read as another one than Weir did must not pass.
 */
import { BOUNDS } from '../core/bounds.js';
import { GatewayError } from '../core/errors.js';

/** Segments of letters, digits and some marks that do not begin with a dot: nearly every path there is. */
const ORDINARY_PATH = /^(?:\/(?:[\w~:@!$&'()*+,=-][\w~:@!$&'()*+,=.-]*)?)+$/;
const FOREIGN_BYTE = /[^\x21-\x7e]|[#\\]/;
/** A slash, a backslash or the end may be written in several ways, and `;` begins parameters on some servers. */
const DOT_SEGMENT = /(?:\/|%2f)(?:\.|%2e){1,2}(?=\/|%2f|;|%3b|$)/i;
/** Where a server resolves these first, the path means something else after it. */
const HIDDEN_BYTE = /%00|%5c/i;

/** Most requests have the path of the one before. */
let lastOrdinaryPath = '';

/**
 * Throws `bad_target` unless the path can be forwarded as it is. Percent escapes that are malformed are
 * none of Weir's business. In a query, escapes are data and pass.
 */
export function checkTarget(path: string, query: string): void {
  const length = query === '' ? path.length : path.length + 1 + query.length;
  if (length > BOUNDS.targetBytesMax) {
    throw new GatewayError(
      'bad_target',
      `The target is longer than ${BOUNDS.targetBytesMax} bytes.`,
    );
  }
  if (query !== '' && FOREIGN_BYTE.test(query)) {
    throw new GatewayError('bad_target', 'The query holds a byte that must be percent-encoded.');
  }
  if (path === lastOrdinaryPath) return;
  if (ORDINARY_PATH.test(path)) {
    lastOrdinaryPath = path;
    return;
  }
  if (path.charCodeAt(0) !== 0x2f) {
    throw new GatewayError('bad_target', 'The path does not begin with a slash.');
  }
  if (FOREIGN_BYTE.test(path)) {
    throw new GatewayError('bad_target', 'The path holds a byte that must be percent-encoded.');
  }
  if (DOT_SEGMENT.test(path)) {
    throw new GatewayError('bad_target', 'The path holds a dot segment.');
  }
  if (HIDDEN_BYTE.test(path)) {
    throw new GatewayError('bad_target', 'The path holds an encoded backslash or null byte.');
  }
}

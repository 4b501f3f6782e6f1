/** The methods that Weir forwards: those of the APIs, and what browsers ask beforehand. */
export const METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
]);

/** The same for the header `allow` of an answer 405 (RFC 9110 section 15.5.6). */
export const ALLOWED_METHODS = [...METHODS].join(', ');

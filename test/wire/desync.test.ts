/**
 * All request heads of aws/http-desync-guardian through two workers, in front of an independent
 * parser. The tier of a vector says what it deserves; where Weir is stricter the list below says why.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import {
  type DesyncVector,
  loadDesyncVectors,
  type RenderedVector,
  renderDesyncVector,
} from '../helpers/desync-vectors.js';
import { EchoUpstream } from '../helpers/echo-upstream.js';
import { type Gateway, proxyConfig, startGateway } from '../helpers/gateway.js';
import { hasFixtures, skipUnless } from '../helpers/need.js';
import { attemptAll, auditOracle, type Outcome } from '../helpers/wire-outcome.js';

/** Compliant vectors that Weir may refuse, and why. */
const STRICTER: readonly { readonly why: string; readonly is: (v: DesyncVector) => boolean }[] = [
  {
    why: 'only exactly one `transfer-encoding: chunked` is taken; no other coding is undone or passed on',
    is: (vector) => {
      const codings = valuesOf(vector, 'transfer-encoding');
      return codings.length > 1 || codings.some((value) => value.trim() !== 'chunked');
    },
  },
  {
    why: 'names with an underscore are refused (P-06)',
    is: (vector) => vector.headers.some(({ name }) => name.includes('_')),
  },
  {
    why: 'a target that is empty, holds `#` or raw bytes above 0x7e is no valid target',
    is: (vector) => vector.uri === '' || /[^\x21-\x7e]|[#"\\<>^`{|}]/.test(vector.uri),
  },
  {
    why: 'uWebSockets.js decodes header values as text; raw bytes above 0x7f cannot be passed on',
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the very point
    is: (vector) => vector.headers.some(({ value }) => /[^\x00-\x7f]/.test(value)),
  },
  { why: 'HTTP/1.1 only (505)', is: (vector) => vector.version !== 'HTTP/1.1' },
];

/**
 * Of the tiers Severe and Ambiguous: reasons for which the length of the message is in doubt.
 * These are never forwarded, in whatever form.
 */
const NEVER_FORWARDED = new Set([
  'MultipleContentLength',
  'BadContentLength',
  'BadTransferEncoding',
  'MultipleTransferEncodingChunked',
  'DuplicateContentLength',
  'BothTeClPresent',
  'EmptyHeader',
  'BadMethod',
  'BadVersion',
  'BadUri',
]);

/** Valid tokens that only look like a framing header; a body-less request with them is harmless. */
const HARMLESS_NAMES = new Set(['transfer---encoding']);

interface Case {
  readonly id: string;
  readonly vector: DesyncVector;
  readonly rendered: RenderedVector;
}

function valuesOf(vector: DesyncVector, name: string): string[] {
  return vector.headers.filter((header) => header.name.toLowerCase() === name).map((h) => h.value);
}

function describeCase({ id, vector }: Case, outcome: Outcome | undefined): string {
  const seen = outcome === undefined ? 'nothing' : `${outcome.kind} ${outcome.status}`;
  return `${id} ${vector.file} ${vector.tier}/${vector.reason} ${JSON.stringify(vector.name)}: ${seen}, marker ${outcome?.marker}, ${Math.round(outcome?.elapsedMs ?? 0)} ms ${outcome?.detail}`;
}

/**
 * The file for Node 20 takes bytes above 0x7f at the ends of a value for white space (a signed char), so
 * these arrive as plain `chunked` and `1000`. Forwarded they are framed anew.
 */
function isTrimmedByParser(vector: DesyncVector): boolean {
  return vector.headers.some(({ value }) => /^[\x80-\xff]|[\x80-\xff]$/.test(value));
}

function mustBeRefused({ vector }: Case): boolean {
  if (isTrimmedByParser(vector)) return false;
  if (NEVER_FORWARDED.has(vector.reason)) return true;
  return (
    vector.reason === 'SuspiciousHeader' &&
    !vector.headers.some(({ name }) => HARMLESS_NAMES.has(name.toLowerCase()))
  );
}

describe('http-desync', { skip: skipUnless(hasFixtures, 'the fixtures') }, () => {
  let echo: EchoUpstream;
  let gateway: Gateway;
  const cases: Case[] = [];
  const outcomes = new Map<string, Outcome>();

  before(async () => {
    echo = await EchoUpstream.start();
    gateway = await startGateway({ config: proxyConfig(echo.baseUrl) });
    for (const [number, vector] of loadDesyncVectors().entries()) {
      const id = `d${number}`;
      const leadHeaders: [string, string][] = [['x-vector', id]];
      if (valuesOf(vector, 'host').length === 0) leadHeaders.unshift(['Host', 'weir.test']);
      const rendered = renderDesyncVector(vector, { pathPrefix: '/v1', leadHeaders });
      cases.push({ id, vector, rendered });
    }
    const attempts = cases.map(({ id, vector, rendered }) => ({
      id,
      bytes: rendered.bytes,
      toHead: vector.method === 'HEAD',
    }));
    for (const outcome of await attemptAll(gateway.port, attempts))
      outcomes.set(outcome.id, outcome);
  });

  after(async () => {
    await gateway?.stop();
    await echo?.stop();
  });

  function complainUnless(accepts: (one: Case, outcome: Outcome) => boolean, among: Case[]): void {
    assert.ok(among.length > 0, 'no vectors');
    const complaints = among
      .filter((one) => {
        const outcome = outcomes.get(one.id);
        return outcome === undefined || !accepts(one, outcome);
      })
      .map((one) => describeCase(one, outcomes.get(one.id)));
    assert.deepEqual(complaints, []);
  }

  it('P-01 vector-hangs-or-gets-half-an-answer', () => {
    complainUnless(
      (_one, outcome) => outcome.kind !== 'broken' && outcome.elapsedMs < 20_000,
      cases,
    );
  });

  it('P-02 upstream-sees-a-request-nobody-sent', () => {
    const hidden = cases.filter(({ vector }) => vector.reason === 'EmptyHeader');
    const mayBeLost = new Set(hidden.map(({ id }) => id));
    assert.deepEqual(auditOracle(echo, [...outcomes.values()], mayBeLost), []);
  });

  it('P-02 marker-is-answered-with-somebody-elses-answer', () => {
    complainUnless((_one, outcome) => outcome.marker !== 'wrong', cases);
  });

  it('P-02 forwarded-vector-arrives-with-another-body', () => {
    const forwarded = cases.filter(({ id }) => outcomes.get(id)?.kind === 'forwarded');
    complainUnless(({ id, rendered, vector }) => {
      const [request] = echo.withHeader('x-vector', id);
      if (request === undefined || request.method !== vector.method) return false;
      const sha256 = createHash('sha256').update(rendered.payload).digest('hex');
      return request.bodySha256 === sha256;
    }, forwarded);
  });

  it('P-01 severe-or-ambiguous-framing-is-forwarded', () => {
    complainUnless((_one, outcome) => outcome.kind !== 'forwarded', cases.filter(mustBeRefused));
  });

  it('P-01 connection-lives-on-after-a-refused-severe-vector', () => {
    const refused = cases.filter(
      (one) =>
        outcomes.get(one.id)?.kind === 'refused' &&
        (one.vector.tier === 'Severe' || mustBeRefused(one)),
    );
    complainUnless((_one, outcome) => outcome.marker === 'closed', refused);
  });

  it('P-34 compliant-vector-is-refused', () => {
    const plain = cases.filter(
      ({ vector }) => vector.tier === 'Compliant' && !STRICTER.some((rule) => rule.is(vector)),
    );
    complainUnless((_one, outcome) => outcome.kind === 'forwarded', plain);
  });

  it('P-01 refusal-is-no-client-error', () => {
    const answered = cases.filter(({ id }) => outcomes.get(id)?.kind === 'refused');
    complainUnless(
      (_one, outcome) => (outcome.status >= 400 && outcome.status < 500) || outcome.status === 505,
      answered,
    );
  });
});

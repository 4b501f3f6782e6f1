/**
 * Sends every vector to one proxy, each on a connection of its own with a harmless request behind it, and tells what
 * became of both, seen from the client and from the upstream.
 */
import type { EchoedRequest, EchoUpstream } from './echo-upstream.js';
import { findHeader, isEchoAnswer } from './echo-upstream.js';
import { renderRequest } from './http-text.js';
import type { Observation, Verdict } from './http11-rules.js';
import type { Http11Vector } from './http11-vector.js';
import { RawClient } from './raw-client.js';
import type { HttpMessage } from './strict-http.js';
import { MARKER_TARGET } from './wire-outcome.js';

type ClientSide = Omit<Observation, 'arrived' | 'rejected' | 'hidden'>;

/** What a proxy did, and what that is worth. */
export interface ProbeResult {
  readonly vector: Http11Vector;
  readonly seen: Observation;
  /** smuggled: the upstream got what nobody sent. hung: no answer and no close in the time that was given. */
  readonly fault: 'smuggled' | 'hung' | null;
  readonly verdict: Verdict;
}

export interface ProbeOptions {
  /** The longest that a connection may stay without an answer; a proxy's own cut of a slow head must be shorter. */
  readonly silenceMs: number;
  /** At a time; all others wait. */
  readonly atOnce?: number;
}

const MARKER_MS = 5000;
const CLOSE_MS = 3000;

export async function probeAll(
  port: number,
  echo: EchoUpstream,
  vectors: readonly Http11Vector[],
  { silenceMs, atOnce = 256 }: ProbeOptions,
): Promise<ProbeResult[]> {
  const sides = new Array<ClientSide | undefined>(vectors.length).fill(undefined);
  const left = [...vectors.entries()];
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [index, vector] = next;
      sides[index] = await probeOne(port, vector, nameAttempt(index), silenceMs);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, vectors.length) }, work));
  const owned = sortRequests(echo);
  return vectors.map((vector, index) => {
    const id = nameAttempt(index);
    const side = sides[index] as ClientSide;
    const arrived = owned.arrived.get(id) ?? [];
    const rejected = owned.rejected.get(id) ?? [];
    const hidden = owned.hidden.get(id) ?? [];
    return judge(vector, { ...side, arrived, rejected, hidden });
  });
}

/** What the upstream got that belongs to no vector. Expected to be empty. */
export function findOrphans(echo: EchoUpstream): readonly string[] {
  return sortRequests(echo).orphans;
}

function nameAttempt(index: number): string {
  return `c${index}`;
}

function judge(vector: Http11Vector, seen: Observation): ProbeResult {
  const { rule, body } = vector;
  if (seen.hidden.length > 0) return { vector, seen, fault: 'smuggled', verdict: 'fail' };
  const isHung = seen.ending === 'silent' || seen.marker === 'silent';
  const verdict = isHung && !rule.waits ? 'fail' : rule.judge(seen, body);
  const isLate = isClosedLate(vector, seen);
  return {
    vector,
    seen,
    fault: isHung ? 'hung' : null,
    verdict: isLate && verdict === 'pass' ? 'lenient' : verdict,
  };
}

/** Nobody refuses so late: a timer that knows nothing of the fault has closed the connection. */
const LATE_MS = 5000;

/** A whole request that got no answer but an end by the clock. It does no harm, and is not what the RFC asks. */
export function isClosedLate({ rule }: Http11Vector, seen: Observation): boolean {
  return seen.ending === 'closed' && seen.ms > LATE_MS && !rule.waits;
}

async function probeOne(
  port: number,
  vector: Http11Vector,
  id: string,
  silenceMs: number,
): Promise<ClientSide> {
  const client = await RawClient.connect({ port });
  const bytes = vector.bytes(id);
  const side = (
    ending: Observation['ending'],
    marker: Observation['marker'],
    response: HttpMessage | null = null,
  ): ClientSide => ({
    status: response?.status ?? 0,
    interim: client.informational.map(({ status }) => status),
    headers: new Map(response?.headers.map(([name, value]) => [name.toLowerCase(), value])),
    ending,
    marker,
    ms: performance.now() - client.openedAtMs,
  });
  try {
    const sending = client.sendAll(bytes);
    const response = await readAnswer(client, silenceMs, vector.toHead);
    if (response === 'silent' || response === 'garbled') return side(response, 'none');
    if (response === null) return side('closed', 'none');
    await Promise.race([sending, client.waitForClose(silenceMs).catch(() => 'open')]);
    if (!response.complete) return side('garbled', 'none', response);
    const isSent = bytes.includes(`${MARKER_TARGET}?of=${id}`);
    return side('answered', await tryMarker(client, id, response, isSent), response);
  } finally {
    client.destroy();
  }
}

/** null where the connection was closed without one. */
async function readAnswer(
  client: RawClient,
  timeoutMs: number,
  toHead: boolean,
): Promise<HttpMessage | null | 'silent' | 'garbled'> {
  try {
    return await client.readResponseOrClose({ timeoutMs, toHead });
  } catch (error) {
    return error instanceof Error && error.name === 'ProtocolViolation' ? 'garbled' : 'silent';
  }
}

async function tryMarker(
  client: RawClient,
  id: string,
  response: HttpMessage,
  isSent: boolean,
): Promise<Observation['marker']> {
  if (/close/i.test(response.header('connection') ?? '') || response.framing === 'close') {
    await client.waitForClose(CLOSE_MS).catch(() => 'open');
    return 'closed';
  }
  const target = `${MARKER_TARGET}?of=${id}`;
  if (!isSent) client.send(renderRequest({ target, headers: [['x-marker', id]] }));
  const answer = await readAnswer(client, MARKER_MS, false);
  if (answer === null) return 'closed';
  if (answer === 'silent') return 'silent';
  if (answer === 'garbled' || answer.status !== 200) return 'refused';
  const echoed = readEcho(answer);
  return echoed?.target === target && findHeader(echoed, 'x-marker') === id
    ? 'answered'
    : 'refused';
}

function readEcho(answer: HttpMessage): EchoedRequest | null {
  try {
    const value = answer.json();
    return isEchoAnswer(value) ? value : null;
  } catch {
    return null;
  }
}

interface OwnedRequests {
  readonly arrived: ReadonlyMap<string, EchoedRequest[]>;
  readonly rejected: ReadonlyMap<string, string[]>;
  readonly hidden: ReadonlyMap<string, string[]>;
  readonly orphans: readonly string[];
}

/** Says of every request that the upstream got whose it is, and whether anybody sent it. */
function sortRequests(echo: EchoUpstream): OwnedRequests {
  const arrived = new Map<string, EchoedRequest[]>();
  const rejected = new Map<string, string[]>();
  const hidden = new Map<string, string[]>();
  const orphans: string[] = [];
  for (const request of echo.requests.filter(({ complete }) => complete)) {
    const { method, target } = request;
    const text = `${method} ${target}`;
    const marker = findHeader(request, 'x-marker');
    const owner = findHeader(request, 'x-vector') ?? /[?&]v=(c\d+)/.exec(target)?.[1];
    const smuggled = /\/smuggled\?of=(c\d+)/.exec(target)?.[1];
    if (smuggled !== undefined) append(hidden, smuggled, text);
    else if (marker !== undefined) {
      const isItself = method === 'GET' && target === `${MARKER_TARGET}?of=${marker}`;
      if (!isItself) append(hidden, marker, text);
    } else if (owner !== undefined) append(arrived, owner, request);
    else orphans.push(text);
  }
  for (const text of echo.rejected) {
    const owner = /(?:[?&](?:v|of)=|x-(?:vector|marker): )(c\d+)/i.exec(text)?.[1];
    if (owner === undefined) orphans.push(`malformed: ${JSON.stringify(text.slice(0, 80))}`);
    else append(rejected, owner, text.slice(0, 80));
  }
  return { arrived, rejected, hidden, orphans };
}

function append<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

/**
 * One line for each exchange, whatever became of it. The fields are a promise to whoever reads the log;
 * docs/access-log.md describes them. Headers, query strings and keys have no field, so they can't appear.
 */
import { BOUNDS } from '../core/bounds.js';
import type { ErrorCode } from '../core/errors.js';
import type { AttemptRecord, DialectName, Ended } from '../exchange.js';
import { COMPLETE } from './end-codes.js';
import { PrintedBefore } from './printed-before.js';
import type { Redact } from './redact.js';

/** Texts remembered in their printed form; some 100 KB at the most. */
const CLIPPED_MAX = 512;

/** What a line says. null where the exchange ended before it was known. */
export interface AccessRecord {
  /** When it was over, of the time of day; milliseconds, with a fraction. */
  readonly wallMs: number;
  readonly id: string;
  readonly consumer: string | null;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** The client’s address; empty where nobody asked for it, or nobody can tell. Printed only where it is asked for. */
  readonly client: string;
  readonly dialect: DialectName | null;
  /** As the client wrote it. */
  readonly model: string | null;
  /** As the provider was asked for it. */
  readonly targetModel: string | null;
  readonly provider: string | null;
  /** null: nothing was answered. */
  readonly status: number | null;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly firstByteMs: number | null;
  readonly durationMs: number;
  readonly addedMs: number | null;
  readonly ended: Ended;
  /** The same in two letters of end-codes.ts. */
  readonly end: string;
  readonly error: { readonly code: ErrorCode; readonly detail: string } | null;
  /** null where the first one did not fail and there was no other. */
  readonly attempts: readonly AttemptRecord[] | null;
  /** What was settled; null where nothing is metered, or nothing was used. */
  readonly usage: AccessUsage | null;
  /** It stands for one in so many that ended well; null: it stands for itself. */
  readonly sample: number | null;
}

export interface AccessUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedInputTokens: number;
  readonly reasoningTokens: number;
  /** null: the model has no price. */
  readonly costNanoDollars: number | null;
  /** The provider did not say; it is an estimate by what went over the wire. */
  readonly isEstimated: boolean;
}

/** Takes whole lines, each with its newline. */
export interface LineDestination {
  /** @param isAscii known to be, which saves looking at each character. */
  write(line: string, isAscii?: boolean): void;
}

export type WriteAccessLine = (record: AccessRecord) => void;

/**
 * The lines look as pino's do, which writes all others, but are printed here: pino walks an object's keys and asks for
 * each value's type and serializer, 3.1 µs for this record, of some 18 µs that a whole request may cost, and that
 * without a filter for secrets. Even given the finished fields as one text it takes half a microsecond.
 */
export function createAccessLine(
  destination: LineDestination,
  redact: Redact,
  showsClient = false,
): WriteAccessLine {
  const clip = (text: string, bytesMax: number): string => quote(truncate(redact(text), bytesMax));
  // Nearly all of a line's texts have stood in a line before: names from the configuration, paths of an API.
  const clipped = new Map<string, string>();
  const clipKnown = (text: string): string => {
    const known = clipped.get(text);
    if (known !== undefined) return known;
    const result = clip(text, BOUNDS.logFieldBytesMax);
    // Long texts are not worth their memory, and a client that makes up new ones only empties the cache.
    if (text.length <= BOUNDS.logFieldBytesMax) {
      if (clipped.size >= CLIPPED_MAX) clipped.clear();
      clipped.set(text, result);
    }
    return result;
  };
  const clipOrNull = (text: string | null): string => (text === null ? 'null' : clipKnown(text));
  const clipPath = (path: string): string =>
    // A path that is within the smaller bound, whatever its characters, is the same under both.
    path.length * 3 <= BOUNDS.logFieldBytesMax
      ? clipKnown(path)
      : clip(path, BOUNDS.logPathBytesMax);

  const printCaller = (record: AccessRecord): string =>
    `,"consumer":${clipOrNull(record.consumer)}` +
    (showsClient ? printClient(record.client) : '') +
    `,"method":${clipKnown(record.method)}` +
    `,"path":${clipPath(record.path)}` +
    `,"dialect":${record.dialect === null ? 'null' : `"${record.dialect}"`}` +
    `,"model":${clipOrNull(record.model)}`;
  const printTarget = ({ targetModel, provider, status }: AccessRecord): string =>
    `,"target_model":${clipOrNull(targetModel)},"provider":${clipOrNull(provider)},"status":${status}`;
  const printDayTime = createDayTimePrint();
  const callers = new PrintedBefore(
    printCaller,
    (one, other) => isSameCaller(one, other) && (!showsClient || one.client === other.client),
  );
  const targets = new PrintedBefore(printTarget, isSameTarget);

  return (record) => {
    const { error } = record;
    const caller = callers.print(record.consumer, record);
    const target = targets.print(record.provider, record);
    // What else there is in a line of a success are words and figures of Weir's own.
    const isAscii = caller.isAscii && target.isAscii && error === null && record.attempts === null;
    // The id is Weir's own, of letters, digits and a hyphen.
    let line =
      `{"level":"info","time":${printDayTime(record.wallMs)},"id":"${record.id}"` +
      caller.text +
      target.text +
      `,"request_bytes":${record.requestBytes},"response_bytes":${record.responseBytes}` +
      `,"first_byte_ms":${printMs(record.firstByteMs)}` +
      `,"duration_ms":${printMs(record.durationMs)}` +
      `,"added_ms":${printMs(record.addedMs)}` +
      printEnd(record, clipKnown);
    if (error !== null) {
      line += `,"error":{"code":"${error.code}","detail":${clip(error.detail, BOUNDS.logDetailBytesMax)}}`;
    }
    if (record.attempts !== null) {
      // Like an error they are rare, and cost what they cost.
      const attempts = record.attempts.map(
        ({ provider, model, className, ms }) =>
          `{"provider":${clipKnown(provider)},"model":${clipOrNull(model)},"class":"${className}","ms":${printMs(ms)}}`,
      );
      line += `,"attempts":[${attempts.join(',')}]`;
    }
    if (record.usage !== null) {
      line += printUsage(record.usage);
    }
    if (record.sample !== null) {
      line += `,"sample":${record.sample}`;
    }
    destination.write(`${line},"msg":"exchange"}\n`, isAscii);
  };
}

function isSameCaller(one: AccessRecord, other: AccessRecord): boolean {
  return (
    one.path === other.path &&
    one.model === other.model &&
    one.method === other.method &&
    one.dialect === other.dialect &&
    one.consumer === other.consumer
  );
}

function isSameTarget(one: AccessRecord, other: AccessRecord): boolean {
  return (
    one.status === other.status &&
    one.targetModel === other.targetModel &&
    one.provider === other.provider
  );
}

function printEnd({ ended, end }: AccessRecord, clip: (text: string) => string): string {
  const { by, phase, reason } = ended;
  return reason === 'complete' && by === 'upstream' && phase === 'done' && end === COMPLETE
    ? ENDED_WELL
    : `,"ended":{"by":"${by}","phase":"${phase}","reason":${clip(reason)}},"end":"${end}"`;
}

const ENDED_WELL = `,"ended":{"by":"upstream","phase":"done","reason":"complete"},"end":"${COMPLETE}"`;

/** Of digits, letters, dots and colons: accept/caller-address.ts writes nothing else. */
function printClient(address: string): string {
  return address === '' ? ',"client":null' : `,"client":"${address}"`;
}

function printUsage(usage: AccessUsage): string {
  return (
    `,"usage":{"input":${usage.inputTokens},"output":${usage.outputTokens}` +
    `,"cached_input":${usage.cachedInputTokens},"reasoning":${usage.reasoningTokens}` +
    `,"cost_dollars":${printDollars(usage.costNanoDollars)}${usage.isEstimated ? ',"estimated":true' : ''}}`
  );
}

/** `.000` to `.999`: putting a decimal together costs a third of what printing a fraction does. */
const THOUSANDTHS = Array.from({ length: 1000 }, (_, part) => `.${String(part).padStart(3, '0')}`);

const SECOND_MS = 1000;

/** Prints milliseconds since the Unix epoch: the seconds are those of the line before as a rule. */
function createDayTimePrint(): (wallMs: number) => string {
  let seconds = 0;
  let printed = '0';
  return (wallMs) => {
    const now = Math.floor(wallMs / SECOND_MS);
    // A number can't begin with zeros; only a clock that was never set comes to it.
    if (now < 1) return String(Math.max(0, Math.floor(wallMs)));
    if (now !== seconds) {
      seconds = now;
      printed = String(now);
    }
    const part = THOUSANDTHS[Math.floor(wallMs - now * SECOND_MS)] as string;
    return printed + part.slice(1);
  };
}

const NANO = 1e9;

/** To the nano-dollar, with all its places. */
function printDollars(nanoDollars: number | null): string {
  if (nanoDollars === null) return 'null';
  const whole = Math.floor(nanoDollars / NANO);
  // The one in front keeps the zeros that the fraction may begin with.
  return `${whole}.${`${NANO + nanoDollars - whole * NANO}`.slice(1)}`;
}

/** To the microsecond. A negative time can only be a defect; it is shown as 0. */
function printMs(ms: number | null): string {
  if (ms === null || !Number.isFinite(ms)) return 'null';
  const us = Math.max(0, Math.round(ms * 1000));
  const whole = Math.floor(us / 1000);
  return `${whole}${THOUSANDTHS[us - whole * 1000]}`;
}

/** Everything that JSON must escape, and besides it what steers a terminal (DEL and the C1 controls). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSAFE = /["\\\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]/;
const STEERING = /[\u007f-\u009f\u2028\u2029]/g;

function quote(text: string): string {
  if (!UNSAFE.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(
    STEERING,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const ELLIPSIS = '…';

/** At most `bytesMax` bytes of UTF-8, the mark that something is missing included. */
function truncate(text: string, bytesMax: number): string {
  if (text.length * 3 <= bytesMax || Buffer.byteLength(text) <= bytesMax) return text;
  const room = bytesMax - Buffer.byteLength(ELLIPSIS);
  const { read } = new TextEncoder().encodeInto(text.slice(0, room), new Uint8Array(room));
  return text.slice(0, read) + ELLIPSIS;
}

/**
 * Finds the value of the form field `model` in a `multipart/form-data` body (RFC 7578): uploads of audio
 * and images, for which the model stands in a field of its own, before or after the file.
 *
 * As with JSON, Weir must read the same model as the provider does. Servers differ in how they take forms
 * that no client sends (bare line feeds, spaces after a boundary, folded lines, a name given twice), so
 * such a form is `malformed`. Files are never looked into: they are searched for the boundary natively.
 */
import { BOUNDS } from '../core/bounds.js';

export type MultipartStatus =
  /** The field was seen whole: `start` and `end` hold its value. Until `isClosed`, a second one may follow. */
  | 'found'
  /** The final boundary was seen, and no such field before it. */
  | 'absent'
  | 'incomplete'
  | 'malformed'
  /** The field stands there twice; servers differ in which one wins. */
  | 'duplicate';

/** What a scan has found, and where it goes on. */
export interface MultipartScan {
  status: MultipartStatus;
  /** The range of the value, -1 while there is none. */
  start: number;
  end: number;
  /** Whether the final boundary was seen. */
  isClosed: boolean;
  /** CR LF, two hyphens and the boundary. It and all that follows belong to the scanner. */
  readonly delimiter: Buffer;
  state: number;
  /** From where on the bytes are still to be looked at. */
  position: number;
  /** Where the part's header lines or value began. */
  partStart: number;
  partCount: number;
  isModelPart: boolean;
}

const BEFORE_FIRST = 0;
const AFTER_BOUNDARY = 1;
const IN_HEAD = 2;
const IN_VALUE = 3;
const CLOSED = 4;
const FAILED = 5;

const CR = 0x0d;
const LF = 0x0a;
const HYPHEN = 0x2d;
const HEAD_END = Buffer.from('\r\n\r\n');

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = '"(?:[^"\\\\\\r\\n]|\\\\[^\\r\\n])*"';
/** Boundaries with characters that a token may not hold are often sent without quotes, so they may be here. */
const CONTENT_TYPE_PARAM = new RegExp(`\\s*;\\s*(?:(${TOKEN})=(${QUOTED}|[^\\s;"]+))?`, 'y');
const DISPOSITION_PARAM = new RegExp(`[ \\t]*;[ \\t]*(${TOKEN})=(${QUOTED}|${TOKEN})`, 'y');
const HEADER_LINE = new RegExp(`^(${TOKEN}):(.*)$`, 's');
/** 1 to 70 characters, the last of which is no space (RFC 2046, 5.1.1). */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;

/** The boundary that a content type names; null if it is no form or names none that is valid and clear. */
export function parseMultipartBoundary(contentType: string): string | null {
  const type = /^\s*multipart\/form-data(?=\s*(?:;|$))/i.exec(contentType);
  if (type === null) return null;
  const end = contentType.trimEnd().length;
  let boundary: string | null = null;
  let at = type[0].length;
  while (at < end) {
    CONTENT_TYPE_PARAM.lastIndex = at;
    const param = CONTENT_TYPE_PARAM.exec(contentType);
    if (param === null) return null;
    at = CONTENT_TYPE_PARAM.lastIndex;
    if (param[1]?.toLowerCase() !== 'boundary') continue;
    if (boundary !== null) return null;
    boundary = readParamValue(param[2]!);
  }
  return boundary !== null && BOUNDARY.test(boundary) ? boundary : null;
}

export function createMultipartScan(boundary: string): MultipartScan {
  return {
    status: 'incomplete',
    start: -1,
    end: -1,
    isClosed: false,
    delimiter: Buffer.from(`\r\n--${boundary}`, 'latin1'),
    state: BEFORE_FIRST,
    position: 0,
    partStart: 0,
    partCount: 0,
    isModelPart: false,
  };
}

/**
 * Scans on to the end of `bytes`, which hold the body from its first byte: the bytes of the last call
 * and more, in the same memory or another. `found` may still become `malformed` or `duplicate` while
 * more bytes come; the other statuses but `incomplete` are final.
 */
export function scanMultipart(
  scan: MultipartScan,
  bytes: Buffer,
  isComplete: boolean,
): MultipartStatus {
  let advances = scan.state < CLOSED;
  while (advances) {
    switch (scan.state) {
      case BEFORE_FIRST:
        advances = findFirstBoundary(scan, bytes);
        break;
      case AFTER_BOUNDARY:
        advances = takeBoundaryEnd(scan, bytes);
        break;
      case IN_HEAD:
        advances = takeHead(scan, bytes);
        break;
      case IN_VALUE:
        advances = takeValue(scan, bytes);
        break;
      default:
        advances = false;
    }
  }
  if (isComplete && scan.state < CLOSED) fail(scan, 'malformed');
  return scan.status;
}

/** The first boundary may stand at the very beginning, without a line break before it. */
function findFirstBoundary(scan: MultipartScan, bytes: Buffer): boolean {
  const { delimiter } = scan;
  const opening = delimiter.length - 2;
  if (scan.position === 0) {
    const shared = Math.min(opening, bytes.length);
    if (delimiter.compare(bytes, 0, shared, 2, 2 + shared) === 0) {
      if (shared < opening) return false;
      scan.position = opening;
      scan.state = AFTER_BOUNDARY;
      return true;
    }
  }
  const found = bytes.indexOf(delimiter, scan.position);
  if (found < 0) {
    scan.position = Math.max(scan.position, bytes.length - delimiter.length + 1);
    return false;
  }
  scan.position = found + delimiter.length;
  scan.state = AFTER_BOUNDARY;
  return true;
}

/** Two hyphens end the form, a line break begins a part. */
function takeBoundaryEnd(scan: MultipartScan, bytes: Buffer): boolean {
  const at = scan.position;
  if (bytes.length < at + 2) return false;
  const first = bytes[at];
  const second = bytes[at + 1];
  if (first === HYPHEN && second === HYPHEN) {
    scan.state = CLOSED;
    scan.isClosed = true;
    if (scan.status === 'incomplete') scan.status = 'absent';
    return false;
  }
  // Spaces may stand here by RFC 2046, but no client sends them and servers differ in taking them.
  if (first !== CR || second !== LF || ++scan.partCount > BOUNDS.partCountMax) {
    return fail(scan, 'malformed');
  }
  // The search for the empty line starts with this line break: a part may have no header lines.
  scan.partStart = at;
  scan.state = IN_HEAD;
  return true;
}

function takeHead(scan: MultipartScan, bytes: Buffer): boolean {
  const found = bytes.indexOf(HEAD_END, scan.position);
  const headEnd = found < 0 ? bytes.length : found;
  if (headEnd - scan.partStart > BOUNDS.partHeadBytesMax) return fail(scan, 'malformed');
  if (found < 0) {
    scan.position = Math.max(scan.position, bytes.length - HEAD_END.length + 1);
    return false;
  }
  const kind = readPartHead(bytes.toString('latin1', scan.partStart + 2, found));
  if (kind === 'malformed') return fail(scan, 'malformed');
  scan.isModelPart = kind === 'model';
  if (scan.isModelPart && scan.start >= 0) return fail(scan, 'duplicate');
  scan.partStart = found + HEAD_END.length;
  // A boundary that takes the head's last line break for its own is found too, and refused.
  scan.position = scan.partStart - 2;
  scan.state = IN_VALUE;
  return true;
}

function takeValue(scan: MultipartScan, bytes: Buffer): boolean {
  const { delimiter } = scan;
  const found = bytes.indexOf(delimiter, scan.position);
  if (found < 0) {
    scan.position = Math.max(scan.position, bytes.length - delimiter.length + 1);
    return false;
  }
  if (found < scan.partStart) return fail(scan, 'malformed');
  if (scan.isModelPart) {
    scan.start = scan.partStart;
    scan.end = found;
    scan.status = 'found';
  }
  scan.position = found + delimiter.length;
  scan.state = AFTER_BOUNDARY;
  return true;
}

/** Whether the header lines are those of the field `model`. */
function readPartHead(head: string): 'model' | 'other' | 'malformed' {
  let disposition: string | null = null;
  let isEncoded = false;
  if (head === '') return 'other';
  for (const line of head.split('\r\n')) {
    // Folded lines, lone line breaks and lines without a colon all fail here.
    const match = /[\r\n\0]/.test(line) ? null : HEADER_LINE.exec(line);
    if (match === null) return 'malformed';
    const name = match[1]!.toLowerCase();
    if (name === 'content-disposition') {
      if (disposition !== null) return 'malformed';
      disposition = match[2]!.trim();
    } else if (name === 'content-transfer-encoding') {
      isEncoded = !/^(?:7bit|8bit|binary)$/i.test(match[2]!.trim());
    }
  }
  const kind = disposition === null ? 'other' : readDisposition(disposition);
  // Some servers would decode the value, others not.
  return kind === 'model' && isEncoded ? 'malformed' : kind;
}

function readDisposition(disposition: string): 'model' | 'other' | 'malformed' {
  const type = /^form-data(?=[ \t]*(?:;|$))/i.exec(disposition);
  if (type === null) return 'malformed';
  let name: string | null = null;
  let isFile = false;
  let at = type[0].length;
  while (at < disposition.length) {
    DISPOSITION_PARAM.lastIndex = at;
    const param = DISPOSITION_PARAM.exec(disposition);
    if (param === null) return 'malformed';
    at = DISPOSITION_PARAM.lastIndex;
    const key = param[1]!.toLowerCase();
    if (key === 'filename' || key.startsWith('filename*')) isFile = true;
    else if (key === 'name') {
      if (name !== null) return 'malformed';
      name = param[2]!;
    } else if (key.startsWith('name*')) {
      // RFC 7578 knows no encoded names, but some servers read them.
      return 'malformed';
    }
  }
  if (isFile || name === null) return 'other';
  if (readParamValue(name) !== 'model') return 'other';
  // Browsers never escape with backslashes and servers differ in resolving them.
  return name.includes('\\') ? 'malformed' : 'model';
}

/** The value of a parameter, out of its quotes if it has any. */
function readParamValue(raw: string): string {
  return raw.startsWith('"') ? raw.slice(1, -1).replace(/\\(.)/gs, '$1') : raw;
}

function fail(scan: MultipartScan, status: 'malformed' | 'duplicate'): false {
  scan.state = FAILED;
  scan.status = status;
  return false;
}

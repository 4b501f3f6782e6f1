/** Finds the model that a body asks for: a field of a JSON object or of a form. */
import { GatewayError } from '../core/errors.js';
import type { Exchange } from '../exchange.js';
import { readAsked, readUser } from './asked.js';
import { type JsonScan, readJsonString, scanJson } from './json-scan.js';
import { type MultipartScan, scanMultipart } from './multipart-scan.js';
import { mustAskForUsage, planUsageRequest } from './usage-request.js';

/** In a body. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Also what else is asked of the body, where somebody asks. @throws GatewayError `bad_body`. */
export function findInJson(
  exchange: Exchange,
  scan: JsonScan,
  isDeclared: boolean,
  bytes: Buffer,
  isComplete: boolean,
): Range | null {
  const status = scanJson(scan, bytes, isComplete);
  if (status === 'duplicate-key') {
    throw new GatewayError('bad_body', 'The body names "model" more than once.', {
      param: 'model',
    });
  }
  if (status === 'malformed' || status === 'not-object') {
    if (status === 'malformed' && isDeclared) {
      throw new GatewayError('bad_body', 'The body is declared as JSON and is not valid JSON.');
    }
    return null;
  }
  if (exchange.asksUser) {
    exchange.user = readUser(scan, bytes);
  }
  if (exchange.isMetered) {
    exchange.asked = readAsked(scan, bytes);
    if (exchange.asksUsage && status === 'complete' && mustAskForUsage(exchange.head.path)) {
      exchange.usageEdit = planUsageRequest(bytes, scan);
    }
  }
  const { start, end } = scan.model;
  if (start < 0 || end < 0) {
    return null;
  }
  exchange.model = readJsonString(bytes, start, end);
  if (exchange.model === null) {
    throw new GatewayError('bad_body', 'The value of "model" must be a string.', {
      param: 'model',
    });
  }
  return { start, end };
}

/** @throws GatewayError `bad_body`. */
export function findInForm(
  exchange: Exchange,
  scan: MultipartScan,
  bytes: Buffer,
  isComplete: boolean,
): Range | null {
  const status = scanMultipart(scan, bytes, isComplete);
  if (status === 'duplicate') {
    throw new GatewayError('bad_body', 'The form holds the field "model" more than once.', {
      param: 'model',
    });
  }
  if (status === 'malformed') {
    throw new GatewayError('bad_body', 'The form can’t be read: its parts are not valid.');
  }
  if (status !== 'found') {
    return null;
  }
  const { start, end } = scan;
  exchange.model = bytes.toString('utf8', start, end);
  return { start, end };
}

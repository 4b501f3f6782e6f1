/**
 * Checks that span the fields of one entry. They read the bare value, not the schema's output, so
 * that one start shows everything that is wrong; what has the wrong shape is left to the schema.
 */
import { doAddressesClash, formatAddress, isHost, isLoopback, parseAddress } from './address.js';
import type { Path } from './document.js';
import { readNumber } from './fields.js';
import { ADMIN_HOST_DEFAULT, PUBLIC_HOST_DEFAULT } from './listen-schema.js';
import type { ListenAddress } from './model.js';
import { isRecord, type Problems } from './problems.js';
import { Refusal } from './refusal.js';
import { parseDurationMs } from './units.js';
import { checkUsage } from './usage-checks.js';

const LIMIT_KINDS = [
  'requests',
  'tokens',
  'input_tokens',
  'output_tokens',
  'cost',
  'concurrency',
] as const;
const LIMIT_KEYS: readonly string[] = [...LIMIT_KINDS, 'per', 'burst', 'models', 'enforce'];
const MODEL_KEYS: readonly string[] = [
  'provider',
  'model',
  'targets',
  'balance',
  'hash_by',
  'fallbacks',
  'context_fallbacks',
  'content_fallbacks',
  'hedge',
  'retry',
  'timeouts',
  'keepalive',
];

export function checkConsistency(
  file: Readonly<Record<string, unknown>>,
  problems: Problems,
): void {
  for (const section of ['providers', 'models', 'tiers', 'consumers']) {
    const entries = file[section];
    if (!isRecord(entries) || Object.keys(entries).length > 0) continue;
    // An empty list of consumers would lock everybody out; left out, it lets everybody in.
    const hint = section === 'consumers' ? '; left out, nobody is asked for a key' : '';
    problems.refuse([section], new Refusal(`at least one entry${hint}`));
  }
  for (const [path, provider] of entriesOf(file, 'providers')) {
    checkProvider(path, provider, problems);
    checkBreaker([...path, 'breaker'], provider['breaker'], problems);
    checkHealth(path, provider, problems);
  }
  for (const [path, model] of entriesOf(file, 'models')) checkModel(path, model, problems);
  for (const [path, owner] of limitOwnersOf(file)) {
    if (!Array.isArray(owner['limits'])) continue;
    for (const [index, limit] of owner['limits'].entries()) {
      if (isRecord(limit)) checkLimit([...path, 'limits', index], limit, problems);
    }
  }
  checkListen(file, problems);
  checkAdmin(file['admin'], problems);
  checkAddresses(file, problems);
  checkUsage(file, problems);
}

/** The entries of a section that are mappings. */
export function* entriesOf(
  file: Readonly<Record<string, unknown>>,
  section: string,
): Generator<[path: Path, entry: Record<string, unknown>]> {
  const entries = file[section];
  if (!isRecord(entries)) return;
  for (const [name, entry] of Object.entries(entries)) {
    if (isRecord(entry)) yield [[section, name], entry];
  }
}

/** Whatever has `limits`. */
export function* limitOwnersOf(
  file: Readonly<Record<string, unknown>>,
): Generator<[path: Path, owner: Record<string, unknown>]> {
  yield* entriesOf(file, 'tiers');
  yield* entriesOf(file, 'consumers');
  const { callers } = file;
  if (isRecord(callers)) yield [['callers'], callers];
}

function checkBreaker(path: Path, breaker: unknown, problems: Problems): void {
  if (!isRecord(breaker)) return;
  const eject = readDuration(breaker['eject'] ?? '5s');
  const ejectMax = readDuration(breaker['eject_max'] ?? '5m');
  if (eject === null || ejectMax === null || eject <= ejectMax) return;
  const key = Object.hasOwn(breaker, 'eject_max') ? 'eject_max' : 'eject';
  const reason = 'eject_max must not be shorter than eject';
  problems.refuse([...path, key], new Refusal('a duration', { reason }));
}

const HEALTH_KEYS: readonly string[] = ['path', 'model', 'every', 'timeout'];

function checkHealth(path: Path, provider: Record<string, unknown>, problems: Problems): void {
  const { health, breaker } = provider;
  if (!isRecord(health)) return;
  const at = [...path, 'health'];
  if (breaker === false || breaker === 'off' || breaker === 'false') {
    problems.refuseKey(at, 'has no meaning beside breaker: off, because nothing is ejected');
  }
  const hasPath = Object.hasOwn(health, 'path');
  const hasModel = Object.hasOwn(health, 'model');
  if (hasPath && hasModel) {
    problems.refuseKey([...at, 'model'], 'cannot stand beside path; a check is one or the other');
  } else if (
    !hasPath &&
    !hasModel &&
    Object.keys(health).every((key) => HEALTH_KEYS.includes(key))
  ) {
    const reason = 'expected path (a GET) or model (a call for one token)';
    problems.refuse(at, new Refusal('a check', { reason }));
  }
}

/** null: it is none, which the schema refuses. */
function readDuration(value: unknown): number | null {
  return typeof value === 'string' ? parseDurationMs(value) : null;
}

function checkProvider(path: Path, provider: Record<string, unknown>, problems: Problems): void {
  const { tls, connections, base_url: baseUrl } = provider;
  if (isRecord(tls)) {
    if (typeof baseUrl === 'string' && /^http:/i.test(baseUrl)) {
      problems.refuseKey([...path, 'tls'], 'has no meaning beside an http:// base_url');
    }
    for (const [one, other] of [
      ['cert', 'key'],
      ['key', 'cert'],
    ] as const) {
      if (Object.hasOwn(tls, one) && !Object.hasOwn(tls, other)) {
        problems.refuseKey([...path, 'tls', one], `cannot stand without ${other}`);
      }
    }
  }
  if (isRecord(connections) && Object.hasOwn(connections, 'max')) {
    const max = readNumber(connections['max']);
    if (readNumber(connections['warm'] ?? 0) > max) {
      const refusal = new Refusal('a number', { reason: `must not be above max (${max})` });
      problems.refuse([...path, 'connections', 'warm'], refusal);
    }
  }
}

function checkModel(path: Path, model: Record<string, unknown>, problems: Problems): void {
  if (Object.hasOwn(model, 'hash_by') && model['balance'] !== 'hash') {
    problems.refuseKey([...path, 'hash_by'], 'has no meaning without balance: hash');
  }
  const isShort = Object.hasOwn(model, 'provider');
  if (!Object.hasOwn(model, 'targets')) {
    // A mistyped key is reported by the schema, and probably is the missing one.
    const isTyped = Object.keys(model).every((key) => MODEL_KEYS.includes(key));
    if (!isShort && isTyped) {
      const reason = 'expected provider (one target) or targets (several)';
      problems.refuse(path, new Refusal('a model', { reason }));
    }
    if (isShort && Object.hasOwn(model, 'balance')) {
      problems.refuseKey([...path, 'balance'], 'has no meaning without targets');
    }
    return;
  }
  for (const key of ['provider', 'model', 'price']) {
    if (!Object.hasOwn(model, key)) continue;
    problems.refuseKey([...path, key], 'cannot stand beside targets; write it into a target');
  }
}

function checkLimit(path: Path, limit: Record<string, unknown>, problems: Problems): void {
  const kinds = LIMIT_KINDS.filter((kind) => Object.hasOwn(limit, kind));
  const [kind, second] = kinds;
  if (kind === undefined) {
    if (Object.keys(limit).some((key) => !LIMIT_KEYS.includes(key))) return;
    const reason = `expected one of ${LIMIT_KINDS.join(', ')}`;
    problems.refuse(path, new Refusal('a limit', { reason }));
    return;
  }
  if (second !== undefined) {
    const reason = `cannot stand beside ${kind}; write it as a limit of its own`;
    problems.refuseKey([...path, second], reason);
    return;
  }
  if (kind !== 'concurrency') {
    const isMissing = !Object.hasOwn(limit, 'per');
    if (isMissing)
      problems.refuse([...path, 'per'], new Refusal('a duration such as 1s, 1m or 1d'));
    checkBurst(path, kind, limit['burst'], problems);
    return;
  }
  for (const key of ['per', 'burst', 'enforce']) {
    if (Object.hasOwn(limit, key)) {
      problems.refuseKey([...path, key], 'has no meaning beside concurrency');
    }
  }
}

function checkBurst(path: Path, kind: string, burst: unknown, problems: Problems): void {
  const number = readNumber(burst);
  // What is no amount at all is refused by the schema; dollars may be fractions.
  if (kind === 'cost' || !(number > 0) || Number.isInteger(number)) return;
  problems.refuse([...path, 'burst'], new Refusal(`a whole number of ${kind}`));
}

/** Whoever reaches the admin port drains targets and reads what consumers spend. */
function checkAdmin(admin: unknown, problems: Problems): void {
  const address = readAddress(admin ?? 8081, ADMIN_HOST_DEFAULT);
  const hasToken = isRecord(admin) && Object.hasOwn(admin, 'token') && admin['token'] !== '';
  if (address === null || hasToken || isLoopback(address.host)) return;
  const reason = `${formatAddress(address)} can be reached from other machines; set admin.token, or listen on 127.0.0.1`;
  problems.refuse(['admin'], new Refusal('an address', { reason }));
}

function checkListen(file: Readonly<Record<string, unknown>>, problems: Problems): void {
  const { listen, trusted_proxies: trusted } = file;
  if (!isRecord(listen)) return;
  const protocol = listen['proxy_protocol'] ?? 'off';
  const hasProxies = Array.isArray(trusted) && trusted.length > 0;
  if (protocol !== 'off' && !hasProxies) {
    problems.refuseKey(
      ['listen', 'proxy_protocol'],
      'is believed of trusted_proxies alone, and there are none',
    );
  }
  const { tls } = listen;
  if (!isRecord(tls)) return;
  if (Object.hasOwn(tls, 'client_auth') && !Object.hasOwn(tls, 'client_ca')) {
    problems.refuseKey(['listen', 'tls', 'client_auth'], 'has no meaning without client_ca');
  }
}

/** The admin port must never be the public one. */
function checkAddresses(file: Readonly<Record<string, unknown>>, problems: Problems): void {
  const publicAddress = readAddress(file['listen'] ?? 8080, PUBLIC_HOST_DEFAULT);
  const adminAddress = readAddress(file['admin'] ?? 8081, ADMIN_HOST_DEFAULT);
  if (publicAddress === null || adminAddress === null) return;
  if (!doAddressesClash(publicAddress, adminAddress)) return;
  const path = Object.hasOwn(file, 'admin') ? ['admin'] : ['listen'];
  const reason = 'listen and admin would share a port; the admin port must be another one';
  problems.refuse(path, new Refusal('an address', { reason }));
}

function readAddress(value: unknown, hostDefault: string): ListenAddress | null {
  if (!isRecord(value)) return parseAddress(value, hostDefault);
  const host = value['host'] ?? hostDefault;
  if (typeof host !== 'string' || !isHost(host)) return null;
  const port = parseAddress(value['port'], host);
  return port === null ? null : { host, port: port.port };
}

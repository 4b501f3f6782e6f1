/** From the checked file to what the gateway runs on: names looked up, tiers folded in, paths absolute. */
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type {
  AdminListen,
  BreakerConfig,
  CallersConfig,
  ConsumerConfig,
  HealthCheckConfig,
  LimitConfig,
  ModelConfig,
  ModelTimeouts,
  OverloadConfig,
  PriceConfig,
  ProviderConfig,
  ProviderTls,
  PublicListen,
  RetryConfig,
  TracesConfig,
  UsageConfig,
  WeirConfig,
} from './model.js';
import type { ParsedFile } from './schema.js';
import { completeBaseUrl } from './secrets.js';
import { describeUnenforced } from './unenforced.js';
import { USAGE_DIR_DEFAULT } from './usage-schema.js';

type ParsedProvider = ParsedFile['providers'][string];
type ParsedPrice = NonNullable<ParsedFile['models'][string]['price']>;
type ParsedTimeouts = NonNullable<ParsedFile['models'][string]['timeouts']>;
type ParsedLimit = NonNullable<ParsedFile['tiers']>[string]['limits'][number];

/** `parsed` must have passed the checks of consistency.ts and references.ts. */
export function resolveConfig(file: string, parsed: ParsedFile): WeirConfig {
  const directory = dirname(file);
  const retry = toRetry(parsed.retry);
  const config = {
    file,
    listen: toListen(parsed.listen, directory),
    admin: toAdmin(parsed.admin),
    trustedProxies: parsed.trusted_proxies,
    workers: parsed.workers ?? availableParallelism(),
    accept: parsed.accept,
    watch: parsed.watch,
    stateDir: parsed.state_dir ? resolve(directory, parsed.state_dir) : null,
    drainTimeoutMs: parsed.drain_timeout,
    upgradeDrainTimeoutMs: parsed.upgrade_drain_timeout,
    log: parsed.log,
    metrics: { consumersMax: parsed.metrics.consumers },
    traces: toTraces(parsed.traces),
    debugToken: parsed.debug_token ?? null,
    retry,
    providers: Object.entries(parsed.providers).map(([name, entry]) =>
      toProvider(name, entry, directory),
    ),
    models: Object.entries(parsed.models).map(([name, entry]) => toModel(name, entry, retry)),
    consumers: toConsumers(parsed),
    callers: toCallers(parsed.callers),
    overload: toOverload(parsed.overload),
    clients: {
      connectionsMax: parsed.clients.connections ?? null,
      connectionsPerAddressMax: parsed.clients.connections_per_address ?? null,
      exchangesMax: parsed.clients.exchanges ?? null,
    },
    usage: toUsage(parsed, directory),
  };
  return { ...config, warnings: describeUnenforced(config) };
}

function toListen(listen: ParsedFile['listen'], directory: string): PublicListen {
  const tls = 'tls' in listen ? listen.tls : undefined;
  return {
    host: listen.host,
    port: listen.port,
    tls: tls
      ? {
          cert: resolve(directory, tls.cert),
          key: resolve(directory, tls.key),
          clientCa: tls.client_ca === undefined ? null : resolve(directory, tls.client_ca),
          clientAuth: tls.client_auth ?? 'require',
        }
      : null,
    proxyProtocol: 'proxy_protocol' in listen ? listen.proxy_protocol : 'off',
  };
}

function toAdmin(admin: ParsedFile['admin']): AdminListen {
  const token = 'token' in admin ? (admin.token ?? null) : null;
  return { host: admin.host, port: admin.port, token };
}

function toTraces(traces: ParsedFile['traces']): TracesConfig | null {
  if (traces === undefined || traces.endpoint === null) return null;
  const { endpoint, headers = {}, sample, parent, content, service } = traces;
  return {
    endpoint,
    headers: Object.entries(headers),
    sample,
    followsParent: parent,
    content,
    service,
  };
}

function toProvider(name: string, entry: ParsedProvider, directory: string): ProviderConfig {
  return {
    name,
    dialect: entry.dialect,
    baseUrl: completeBaseUrl(entry.base_url, entry.dialect),
    apiKey: entry.api_key ?? null,
    timeouts: {
      connectMs: entry.timeouts.connect,
      firstByteMs: entry.timeouts.first_byte,
      firstTokenMs: entry.timeouts.first_token ?? null,
      idleMs: entry.timeouts.idle,
      wholeMs: entry.timeouts.whole ?? null,
    },
    connections: {
      max: entry.connections.max,
      queue: entry.connections.queue,
      queueTimeoutMs: entry.connections.queue_timeout,
      keepAliveMs: entry.connections.keep_alive,
      warm: entry.connections.warm,
    },
    tls: toProviderTls(entry.tls, directory),
    proxyUrl: entry.proxy_url ?? null,
    engine: entry.engine,
    asksUsage: entry.ask_usage,
    tellsClient: entry.tell_client,
    breaker: toBreaker(entry.breaker),
    health: toHealth(entry.health),
  };
}

function toProviderTls(tls: ParsedProvider['tls'], directory: string): ProviderTls | null {
  if (tls === undefined) return null;
  const toPath = (file: string | undefined) =>
    file === undefined ? null : resolve(directory, file);
  return { ca: toPath(tls.ca), cert: toPath(tls.cert), key: toPath(tls.key) };
}

function toBreaker(breaker: ParsedProvider['breaker']): BreakerConfig | null {
  if (breaker === null) return null;
  return {
    failures: breaker.failures,
    ratePercent: breaker.rate,
    requestsMin: breaker.min_requests,
    windowMs: breaker.window,
    ejectMs: breaker.eject,
    ejectMsMax: breaker.eject_max,
    shareMaxPercent: breaker.share_max,
  };
}

function toHealth(health: ParsedProvider['health']): HealthCheckConfig | null {
  if (health === undefined) return null;
  const { path = null, model = null } = health;
  return { path, model, everyMs: health.every, timeoutMs: health.timeout };
}

function toRetry(retry: ParsedFile['retry']): RetryConfig {
  return {
    attemptsMax: retry.attempts,
    backoffMs: retry.backoff,
    backoffMsMax: retry.backoff_max,
    budgetPercent: retry.budget,
  };
}

function toModel(
  name: string,
  entry: ParsedFile['models'][string],
  retry: RetryConfig,
): ModelConfig {
  const short = {
    provider: entry.provider ?? '',
    model: entry.model,
    weight: 1,
    priority: 0,
    price: entry.price,
  };
  const balance = entry.balance ?? 'weighted';
  return {
    name,
    targets: (entry.targets ?? [short]).map((target) => ({
      provider: target.provider,
      model: target.model ?? null,
      weight: target.weight,
      priority: target.priority,
      price: target.price === undefined ? null : toPrice(target.price),
    })),
    balance,
    hashBy: balance === 'hash' ? (entry.hash_by ?? 'consumer') : null,
    fallbacks: entry.fallbacks,
    contextFallbacks: entry.context_fallbacks,
    contentFallbacks: entry.content_fallbacks,
    hedgeMs: entry.hedge ?? null,
    retry: {
      attemptsMax: entry.retry?.attempts ?? retry.attemptsMax,
      backoffMs: entry.retry?.backoff ?? retry.backoffMs,
    },
    timeouts: entry.timeouts === undefined ? null : toModelTimeouts(entry.timeouts),
    keepAliveMs: entry.keepalive ?? null,
  };
}

function toModelTimeouts(timeouts: ParsedTimeouts): ModelTimeouts {
  return {
    firstByteMs: timeouts.first_byte ?? null,
    firstTokenMs: timeouts.first_token ?? null,
    idleMs: timeouts.idle ?? null,
    wholeMs: timeouts.whole ?? null,
  };
}

function toPrice(price: ParsedPrice): PriceConfig {
  return {
    input: price.input,
    output: price.output,
    cachedInput: price.cached_input ?? null,
    cacheWrite: price.cache_write ?? null,
    audioInput: price.audio_input ?? null,
    audioOutput: price.audio_output ?? null,
  };
}

function toConsumers(parsed: ParsedFile): ConsumerConfig[] | null {
  if (parsed.consumers === undefined) return null;
  // A Map, because an object would find a tier called `constructor` that nobody configured.
  const tiers = new Map(Object.entries(parsed.tiers ?? {}));
  return Object.entries(parsed.consumers).map(([name, entry]) => {
    const tier = entry.tier ?? null;
    const found = tier === null ? undefined : tiers.get(tier);
    const inherited = found?.limits ?? [];
    return {
      name,
      keyDigests: entry.keys,
      tier,
      limits: [...inherited, ...entry.limits].map(toLimit),
      priority: entry.priority ?? found?.priority ?? 'normal',
    };
  });
}

function toCallers(callers: ParsedFile['callers']): CallersConfig | null {
  if (callers === undefined) return null;
  const { by, slots, limits } = callers;
  return { by, slots, limits: limits.map(toLimit) };
}

function toOverload(overload: ParsedFile['overload']): OverloadConfig | null {
  if (overload === null) return null;
  return {
    loopLagMs: overload.loop_lag,
    heapPercent: overload.heap,
    memoryPercent: overload.memory,
    memoryLimitBytes: overload.memory_limit ?? null,
    descriptorsPercent: overload.descriptors,
    retryAfterMs: overload.retry_after,
  };
}

function toUsage(
  { usage, state_dir: stateDir }: ParsedFile,
  directory: string,
): UsageConfig | null {
  if (usage === undefined) return null;
  const { deliver } = usage;
  return {
    dir: resolve(directory, usage.dir ?? join(stateDir ?? '', USAGE_DIR_DEFAULT)),
    flushEveryMs: usage.flush_every,
    segmentBytes: usage.segment,
    keepMs: usage.keep,
    keepBytes: usage.keep_size,
    namesUsers: usage.users,
    deliver:
      deliver === undefined
        ? null
        : {
            url: deliver.url,
            token: deliver.token ?? null,
            format: deliver.format,
            everyMs: deliver.every,
            batchRecords: deliver.batch,
            timeoutMs: deliver.timeout,
            retryMsMax: deliver.retry_max,
          },
  };
}

const METERED_KINDS = ['requests', 'tokens', 'input_tokens', 'output_tokens', 'cost'] as const;

/** What is not is refused elsewhere. */
export function isCompleteLimit(limit: ParsedLimit): boolean {
  const kinds = METERED_KINDS.filter((kind) => limit[kind] !== undefined).length;
  return limit.concurrency === undefined ? kinds === 1 && limit.per !== undefined : kinds === 0;
}

export function toLimit(limit: ParsedLimit): LimitConfig {
  const models = limit.models ?? null;
  if (limit.concurrency !== undefined) {
    return { kind: 'concurrency', amount: limit.concurrency, models };
  }
  for (const kind of METERED_KINDS) {
    const amount = limit[kind];
    if (amount === undefined || limit.per === undefined) continue;
    return {
      kind,
      amount,
      perMs: limit.per,
      burst: limit.burst ?? amount,
      models,
      enforce: limit.enforce ?? 'request',
    };
  }
  throw new Error('A limit without a kind passed the checks.');
}

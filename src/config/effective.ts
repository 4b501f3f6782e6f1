/**
 * The effective configuration in the words of the file, for `weir check`. Read back it gives the same
 * configuration, except for the providers' keys and proxies, which are never shown.
 */
import { Document, isMap, type YAMLMap } from 'yaml';
import { formatAddress } from './address.js';
import { escapeVariables } from './environment.js';
import type {
  AdminListen,
  BreakerConfig,
  CallersConfig,
  ClientsConfig,
  ConsumerConfig,
  HealthCheckConfig,
  LimitConfig,
  ModelConfig,
  ModelRetry,
  ModelTimeouts,
  OverloadConfig,
  PriceConfig,
  ProviderConfig,
  ProviderTls,
  PublicListen,
  PublicTls,
  RetryConfig,
  TracesConfig,
  UsageConfig,
  WeirConfig,
} from './model.js';
import { formatDuration, formatSize } from './units.js';

const HIDDEN = '***';
/** Such that it can be read back. */
const HIDDEN_TOKEN = '*'.repeat(16);
const HIDDEN_URL = `http://${HIDDEN}`;

/** A secret's place in what is shown. @param shown what may be shown in place of the secret. */
export type Hide = (secret: string, shown: string) => unknown;

export function formatEffective(config: WeirConfig): string {
  const document = new Document(describeConfig(config, (_secret, shown) => shown));
  if (config.consumers === null)
    document.comment = ' consumers: left out, nobody is asked for a key';
  else noteTiers(document, config.consumers);
  return document.toString({ lineWidth: 0 });
}

/** The same as plain objects, and Maps by name. */
export function describeConfig(config: WeirConfig, hide: Hide): object {
  return {
    listen: formatListen(config.listen),
    admin: formatAdmin(config.admin, hide),
    trusted_proxies: config.trustedProxies,
    workers: config.workers,
    accept: config.accept,
    watch: config.watch ? 'on' : 'off',
    ...(config.stateDir === null ? {} : { state_dir: escapeVariables(config.stateDir) }),
    drain_timeout: formatDuration(config.drainTimeoutMs),
    upgrade_drain_timeout: formatDuration(config.upgradeDrainTimeoutMs),
    log: {
      level: config.log.level,
      access: config.log.access ? 'on' : 'off',
      client: config.log.client ? 'on' : 'off',
      sample: config.log.sample,
    },
    metrics: { consumers: config.metrics.consumersMax },
    ...(config.traces === null ? {} : { traces: formatTraces(config.traces, hide) }),
    ...(config.debugToken === null ? {} : { debug_token: hide(config.debugToken, HIDDEN_TOKEN) }),
    retry: {
      attempts: config.retry.attemptsMax,
      backoff: formatDuration(config.retry.backoffMs),
      backoff_max: formatDuration(config.retry.backoffMsMax),
      budget: config.retry.budgetPercent,
    },
    providers: byName(config.providers, (provider) => formatProvider(provider, hide)),
    models: byName(config.models, (model) => formatModel(model, config.retry)),
    ...(config.consumers === null
      ? {}
      : { consumers: byName(config.consumers, (consumer) => formatConsumer(consumer, hide)) }),
    ...(config.callers === null ? {} : { callers: formatCallers(config.callers) }),
    overload: config.overload === null ? 'off' : formatOverload(config.overload),
    ...formatClients(config.clients),
    ...(config.usage === null ? {} : { usage: formatUsage(config.usage, hide) }),
  };
}

/** A Map keeps names such as `__proto__` and `1` what and where they are. */
function byName<Entry extends { readonly name: string }>(
  entries: readonly Entry[],
  format: (entry: Entry) => object,
): Map<string, object> {
  return new Map(entries.map((entry) => [entry.name, format(entry)]));
}

/** Tiers are folded into their consumers, so their names remain as comments only. */
function noteTiers(document: Document, consumers: readonly ConsumerConfig[]): void {
  const section = document.get('consumers');
  if (!isMap(section)) return;
  // In the same order; looking each up by its name would go through all before it.
  consumers.forEach((consumer, index) => {
    const entry = section.items[index]?.value;
    if (consumer.tier === null || !isMap(entry)) return;
    const map: YAMLMap = entry;
    map.commentBefore = ` with the limits of tier ${JSON.stringify(consumer.tier)}`;
  });
}

function formatListen(listen: PublicListen): string | object {
  const { host, port, tls, proxyProtocol } = listen;
  if (tls === null && proxyProtocol === 'off') return formatAddress(listen);
  return {
    host,
    port,
    ...(tls === null ? {} : { tls: describePublicTls(tls) }),
    ...(proxyProtocol === 'off' ? {} : { proxy_protocol: proxyProtocol }),
  };
}

function describePublicTls({ cert, key, clientCa, clientAuth }: PublicTls): object {
  return {
    cert: escapeVariables(cert),
    key: escapeVariables(key),
    ...(clientCa === null ? {} : { client_ca: escapeVariables(clientCa), client_auth: clientAuth }),
  };
}

function formatAdmin({ host, port, token }: AdminListen, hide: Hide): string | object {
  if (token === null) return formatAddress({ host, port });
  return { host, port, token: hide(token, HIDDEN_TOKEN) };
}

function formatTraces(traces: TracesConfig, hide: Hide): object {
  const { endpoint, headers, sample, followsParent, content, service } = traces;
  const shown = headers.map(([name, value]) => [escapeVariables(name), hide(value, HIDDEN)]);
  return {
    endpoint: escapeVariables(endpoint),
    ...(headers.length === 0 ? {} : { headers: Object.fromEntries(shown) as object }),
    sample,
    parent: followsParent ? 'on' : 'off',
    content: content ? 'on' : 'off',
    service: escapeVariables(service),
  };
}

function formatProvider(provider: ProviderConfig, hide: Hide): object {
  const { timeouts, connections } = provider;
  return {
    dialect: provider.dialect,
    base_url: escapeVariables(provider.baseUrl),
    ...(provider.apiKey === null ? {} : { api_key: hide(provider.apiKey, HIDDEN) }),
    timeouts: {
      connect: formatDuration(timeouts.connectMs),
      first_byte: formatDuration(timeouts.firstByteMs),
      ...formatOptional('first_token', timeouts.firstTokenMs),
      idle: formatDuration(timeouts.idleMs),
      ...formatOptional('whole', timeouts.wholeMs),
    },
    connections: {
      max: connections.max,
      queue: connections.queue,
      queue_timeout: formatDuration(connections.queueTimeoutMs),
      keep_alive: formatDuration(connections.keepAliveMs),
      warm: connections.warm,
    },
    ...(provider.tls === null ? {} : { tls: formatTls(provider.tls) }),
    ...(provider.proxyUrl === null ? {} : { proxy_url: hide(provider.proxyUrl, HIDDEN_URL) }),
    engine: provider.engine,
    ask_usage: provider.asksUsage ? 'on' : 'off',
    tell_client: provider.tellsClient ? 'on' : 'off',
    breaker: provider.breaker === null ? 'off' : formatBreaker(provider.breaker),
    ...(provider.health === null ? {} : { health: formatHealth(provider.health) }),
  };
}

function formatTls(tls: ProviderTls): object {
  const files = Object.entries(tls).filter(([, file]) => file !== null);
  return Object.fromEntries(files.map(([what, file]) => [what, escapeVariables(String(file))]));
}

function formatBreaker(breaker: BreakerConfig): object {
  return {
    failures: breaker.failures,
    rate: breaker.ratePercent,
    min_requests: breaker.requestsMin,
    window: formatDuration(breaker.windowMs),
    eject: formatDuration(breaker.ejectMs),
    eject_max: formatDuration(breaker.ejectMsMax),
    share_max: breaker.shareMaxPercent,
  };
}

function formatHealth({ path, model, everyMs, timeoutMs }: HealthCheckConfig): object {
  return {
    ...(path === null ? {} : { path: escapeVariables(path) }),
    ...(model === null ? {} : { model: escapeVariables(model) }),
    every: formatDuration(everyMs),
    timeout: formatDuration(timeoutMs),
  };
}

function formatModel(model: ModelConfig, retry: RetryConfig): object {
  return {
    targets: model.targets.map((target) => ({
      provider: escapeVariables(target.provider),
      ...(target.model === null ? {} : { model: escapeVariables(target.model) }),
      weight: target.weight,
      priority: target.priority,
      ...(target.price === null ? {} : { price: formatPrice(target.price) }),
    })),
    balance: model.balance,
    ...(model.hashBy === null ? {} : { hash_by: escapeVariables(model.hashBy) }),
    ...formatChain('fallbacks', model.fallbacks),
    ...formatChain('context_fallbacks', model.contextFallbacks),
    ...formatChain('content_fallbacks', model.contentFallbacks),
    ...formatOptional('hedge', model.hedgeMs),
    ...formatModelRetry(model.retry, retry),
    ...(model.timeouts === null ? {} : { timeouts: formatModelTimeouts(model.timeouts) }),
    ...formatOptional('keepalive', model.keepAliveMs),
  };
}

function formatModelTimeouts(timeouts: ModelTimeouts): object {
  return {
    ...formatOptional('first_byte', timeouts.firstByteMs),
    ...formatOptional('first_token', timeouts.firstTokenMs),
    ...formatOptional('idle', timeouts.idleMs),
    ...formatOptional('whole', timeouts.wholeMs),
  };
}

function formatOptional(name: string, durationMs: number | null): object {
  return durationMs === null ? {} : { [name]: formatDuration(durationMs) };
}

function formatChain(key: string, names: readonly string[]): object {
  return names.length === 0 ? {} : { [key]: names.map(escapeVariables) };
}

/** Only what differs from what holds for all. */
function formatModelRetry({ attemptsMax, backoffMs }: ModelRetry, general: RetryConfig): object {
  const own = {
    ...(attemptsMax === general.attemptsMax ? {} : { attempts: attemptsMax }),
    ...(backoffMs === general.backoffMs ? {} : { backoff: formatDuration(backoffMs) }),
  };
  return Object.keys(own).length === 0 ? {} : { retry: own };
}

function formatPrice(price: PriceConfig): object {
  const { input, output, cachedInput, cacheWrite, audioInput, audioOutput } = price;
  return {
    input,
    output,
    ...(cachedInput === null ? {} : { cached_input: cachedInput }),
    ...(cacheWrite === null ? {} : { cache_write: cacheWrite }),
    ...(audioInput === null ? {} : { audio_input: audioInput }),
    ...(audioOutput === null ? {} : { audio_output: audioOutput }),
  };
}

function formatConsumer(consumer: ConsumerConfig, hide: Hide): object {
  return {
    keys: consumer.keyDigests.map((digest) => hide(digest, `sha256:${digest}`)),
    limits: consumer.limits.map(formatLimit),
    ...(consumer.priority === 'normal' ? {} : { priority: consumer.priority }),
  };
}

function formatOverload(overload: OverloadConfig): object {
  const { memoryLimitBytes } = overload;
  return {
    loop_lag: formatDuration(overload.loopLagMs),
    heap: overload.heapPercent,
    memory: overload.memoryPercent,
    ...(memoryLimitBytes === null ? {} : { memory_limit: formatSize(memoryLimitBytes) }),
    descriptors: overload.descriptorsPercent,
    retry_after: formatDuration(overload.retryAfterMs),
  };
}

function formatClients(clients: ClientsConfig): object {
  const bounded = Object.entries({
    connections: clients.connectionsMax,
    connections_per_address: clients.connectionsPerAddressMax,
    exchanges: clients.exchangesMax,
  }).filter(([, max]) => max !== null);
  return bounded.length === 0 ? {} : { clients: Object.fromEntries(bounded) };
}

function formatCallers({ by, slots, limits }: CallersConfig): object {
  return { by, slots, limits: limits.map(formatLimit) };
}

function formatUsage({ deliver, ...usage }: UsageConfig, hide: Hide): object {
  return {
    dir: escapeVariables(usage.dir),
    flush_every: formatDuration(usage.flushEveryMs),
    segment: formatSize(usage.segmentBytes),
    keep: formatDuration(usage.keepMs),
    keep_size: formatSize(usage.keepBytes),
    users: usage.namesUsers ? 'on' : 'off',
    ...(deliver === null
      ? {}
      : {
          deliver: {
            url: escapeVariables(deliver.url),
            ...(deliver.token === null ? {} : { token: hide(deliver.token, HIDDEN) }),
            format: deliver.format,
            every: formatDuration(deliver.everyMs),
            batch: deliver.batchRecords,
            timeout: formatDuration(deliver.timeoutMs),
            retry_max: formatDuration(deliver.retryMsMax),
          },
        }),
  };
}

function formatLimit(limit: LimitConfig): object {
  const models = limit.models === null ? {} : { models: limit.models.map(escapeVariables) };
  if (limit.kind === 'concurrency') return { concurrency: limit.amount, ...models };
  const { kind, amount, perMs, burst, enforce } = limit;
  return { [kind]: amount, per: formatDuration(perMs), burst, enforce, ...models };
}

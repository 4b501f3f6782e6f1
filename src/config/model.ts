/**
 * The effective configuration: what the file says after defaults, `${ENV}` and units are worked out.
 * Plain data, so that it can be handed to worker threads.
 */
import type { DialectName } from '../core/errors.js';

/** The name of the model that stands for any other. */
export const WILDCARD = '*';

export interface ListenAddress {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

export interface PublicListen extends ListenAddress {
  /** Paths of PEM files; null serves clear text. */
  readonly tls: PublicTls | null;
  /** What trusted proxies put in front of each connection. */
  readonly proxyProtocol: 'off' | 'v1' | 'v2' | 'either';
}

export interface PublicTls {
  readonly cert: string;
  readonly key: string;
  /** Of the authorities whose certificates clients may show; null: none is asked for. */
  readonly clientCa: string | null;
  readonly clientAuth: 'require' | 'request';
}

export interface AdminListen extends ListenAddress {
  /** Secret. null: only this machine can reach the port. */
  readonly token: string | null;
}

export interface ProviderTimeouts {
  readonly connectMs: number;
  readonly firstByteMs: number;
  /** null: not bounded. */
  readonly firstTokenMs: number | null;
  readonly idleMs: number;
  /** Of a whole exchange; null: not bounded. */
  readonly wholeMs: number | null;
}

/** In place of the provider's for one model; null: as the provider's. */
export interface ModelTimeouts {
  readonly firstByteMs: number | null;
  readonly firstTokenMs: number | null;
  readonly idleMs: number | null;
  readonly wholeMs: number | null;
}

export interface ProviderConnections {
  /** Connections of the whole gateway to this provider; shared out over the workers. */
  readonly max: number;
  /** Exchanges of the whole gateway that may wait for a connection. */
  readonly queue: number;
  /** The longest that an exchange waits for a connection. */
  readonly queueTimeoutMs: number;
  /** How long an unused connection is kept. */
  readonly keepAliveMs: number;
  /** Connections of the whole gateway that are kept open in advance. */
  readonly warm: number;
}

/** Paths of PEM files; null where left out. `cert` and `key` stand together. */
export interface ProviderTls {
  /** Whom to trust, in place of the built-in authorities. */
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

/** What these files hold. Secret, as far as the key is. */
export interface TlsMaterial {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

/** When a target is ejected, for how long, and how many of a model's may be at a time. */
export interface BreakerConfig {
  /** In a row. */
  readonly failures: number;
  /** Of the requests of a window, of which there must be `requestsMin`. */
  readonly ratePercent: number;
  readonly requestsMin: number;
  readonly windowMs: number;
  /** The first ejection; each further one in a row takes twice as long. */
  readonly ejectMs: number;
  readonly ejectMsMax: number;
  /** Of a model's targets; all of them never are. */
  readonly shareMaxPercent: number;
}

/** A request that Weir sends by itself, again and again. */
export interface HealthCheckConfig {
  /** What it asks for: a path with GET, or one token of a model; exactly one of the two. */
  readonly path: string | null;
  /** By the name that the provider knows. */
  readonly model: string | null;
  readonly everyMs: number;
  readonly timeoutMs: number;
}

export interface ProviderConfig {
  readonly name: string;
  readonly dialect: DialectName;
  /** Without a trailing slash; for dialect anthropic always ends in `/v1`. */
  readonly baseUrl: string;
  /** null: the caller's own credential is passed on. */
  readonly apiKey: string | null;
  readonly timeouts: ProviderTimeouts;
  readonly connections: ProviderConnections;
  /** null: the built-in authorities are trusted, and no certificate is shown. */
  readonly tls: ProviderTls | null;
  /** An HTTP proxy to tunnel through, maybe with user and password: a secret. null: none. */
  readonly proxyUrl: string | null;
  /** `auto` is the lean engine; undici is there as the reference. */
  readonly engine: 'auto' | 'lean' | 'undici';
  /** Where a stream must be metered and its client did not ask for usage, Weir does. */
  readonly asksUsage: boolean;
  /** The client's address is sent along. */
  readonly tellsClient: boolean;
  /** null: its targets are never ejected. */
  readonly breaker: BreakerConfig | null;
  /** null: only callers' requests tell whether it is well. */
  readonly health: HealthCheckConfig | null;
}

export interface TargetConfig {
  readonly provider: string;
  /** The name that the provider knows; null passes the caller's on unchanged. */
  readonly model: string | null;
  readonly weight: number;
  /** Targets with the lowest number come first; the others when none of these is left. */
  readonly priority: number;
  /** In place of the price list's; null: as the list says. */
  readonly price: PriceConfig | null;
}

/** US dollars for a million tokens. What is null costs as much as `input` or `output`. */
export interface PriceConfig {
  readonly input: number;
  readonly output: number;
  readonly cachedInput: number | null;
  readonly cacheWrite: number | null;
  readonly audioInput: number | null;
  readonly audioOutput: number | null;
}

export type BalanceName =
  | 'weighted'
  | 'round-robin'
  | 'least-busy'
  | 'least-latency'
  | 'lowest-cost'
  | 'hash';

/** What tells requests apart that shall go to different targets; a header's name is in lower case. */
export type HashBy = 'consumer' | 'prompt' | `header:${string}`;

export interface ModelConfig {
  /** What clients ask for, or `*`. */
  readonly name: string;
  readonly targets: readonly TargetConfig[];
  readonly balance: BalanceName;
  /** null where `balance` is another one than `hash`. */
  readonly hashBy: HashBy | null;
  /** Names of other models, for whatever fails; for prompts that are too long; for those that a filter refuses. */
  readonly fallbacks: readonly string[];
  readonly contextFallbacks: readonly string[];
  readonly contentFallbacks: readonly string[];
  /** After so long without an answer a second call is made; null: never. */
  readonly hedgeMs: number | null;
  readonly retry: ModelRetry;
  /** null: the providers' hold. */
  readonly timeouts: ModelTimeouts | null;
  /** Silence within an event stream after which its client is sent a comment; null: never. */
  readonly keepAliveMs: number | null;
}

export interface ModelRetry {
  /** In all, at this model. */
  readonly attemptsMax: number;
  readonly backoffMs: number;
}

/** What holds where a model says nothing else, and for all of them. */
export interface RetryConfig extends ModelRetry {
  readonly backoffMsMax: number;
  /** Further attempts in percent of exchanges. */
  readonly budgetPercent: number;
}

/** What a bucket is charged with. Costs are in nano-dollars in the table, in US dollars in the configuration. */
export type MeteredKind = 'requests' | 'tokens' | 'input_tokens' | 'output_tokens' | 'cost';

export interface MeteredLimit {
  readonly kind: MeteredKind;
  /** Requests, tokens or US dollars. */
  readonly amount: number;
  readonly perMs: number;
  readonly burst: number;
  /** The limit counts requests for these models only, by the names that clients ask for; null: for all. */
  readonly models: readonly string[] | null;
  /** `stream`: a stream is ended when the bucket is empty while it runs. */
  readonly enforce: 'request' | 'stream';
}

export interface ConcurrencyLimit {
  readonly kind: 'concurrency';
  readonly amount: number;
  readonly models: readonly string[] | null;
}

export type LimitConfig = MeteredLimit | ConcurrencyLimit;

/** Who is refused first when the gateway has too much to do: the last of these. */
export type Priority = 'high' | 'normal' | 'low';

export interface ConsumerConfig {
  readonly name: string;
  /** SHA-256 of each key, lower-case hex. The keys themselves are gone once the file is loaded. */
  readonly keyDigests: readonly string[];
  readonly tier: string | null;
  /** The tier's limits and the consumer's own. */
  readonly limits: readonly LimitConfig[];
  /** The consumer's own, else the tier's, else normal. */
  readonly priority: Priority;
}

/** Limits for consumers that nobody configured: each caller has buckets of its own. */
export interface CallersConfig {
  /** The address of the client, or the end user that the request names. */
  readonly by: 'address' | 'user';
  /** How many are told apart at a time. */
  readonly slots: number;
  /** At least one. */
  readonly limits: readonly LimitConfig[];
}

/** From where on new work is refused. */
export interface OverloadConfig {
  /** How long one round of a worker's event loop may take. */
  readonly loopLagMs: number;
  readonly heapPercent: number;
  readonly memoryPercent: number;
  /** null: what the cgroup or the machine has. */
  readonly memoryLimitBytes: number | null;
  readonly descriptorsPercent: number;
  readonly retryAfterMs: number;
}

/** Of the whole gateway, at the same time; null: not bounded. */
export interface ClientsConfig {
  readonly connectionsMax: number | null;
  readonly connectionsPerAddressMax: number | null;
  readonly exchangesMax: number | null;
}

/** Where traces go, and of which exchanges. */
export interface TracesConfig {
  /** The whole URL that spans are posted to. */
  readonly endpoint: string;
  /** Name and value of each header that goes along; the values are secret. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Of exchanges that no caller decides about; from 0 to 1. */
  readonly sample: number;
  /** A caller's `traceparent` decides, where there is one. */
  readonly followsParent: boolean;
  /** Spans show what was asked and answered. */
  readonly content: boolean;
  /** What the server is called in traces. */
  readonly service: string;
}

/** Records of what every exchange has used, in files. */
export interface UsageConfig {
  readonly dir: string;
  readonly flushEveryMs: number;
  /** How large a file gets before the next is begun. */
  readonly segmentBytes: number;
  readonly keepMs: number;
  readonly keepBytes: number;
  /** Records name the end user that a request names. */
  readonly namesUsers: boolean;
  /** null: they are not sent anywhere. */
  readonly deliver: UsageDeliveryConfig | null;
}

export interface UsageDeliveryConfig {
  readonly url: string;
  /** A secret; null: none is sent. */
  readonly token: string | null;
  readonly format: 'ndjson' | 'msgpack';
  readonly everyMs: number;
  /** Of a request, at most. */
  readonly batchRecords: number;
  readonly timeoutMs: number;
  /** Between two tries, at most. */
  readonly retryMsMax: number;
}

export interface WeirConfig {
  /** The file it was read from, for messages. */
  readonly file: string;
  readonly listen: PublicListen;
  readonly admin: AdminListen;
  /** Addresses, networks and names of core/ip-address.ts. */
  readonly trustedProxies: readonly string[];
  readonly workers: number;
  readonly accept: 'auto' | 'acceptor' | 'reuseport';
  /** The file is read again when it changes. */
  readonly watch: boolean;
  readonly stateDir: string | null;
  readonly drainTimeoutMs: number;
  readonly upgradeDrainTimeoutMs: number;
  readonly log: {
    readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
    readonly access: boolean;
    /** The access log has the client's address. */
    readonly client: boolean;
    /** Share of the exchanges that ended well that have a line; above 0, up to 1. */
    readonly sample: number;
  };
  readonly metrics: {
    /** Consumers with series of their own. */
    readonly consumersMax: number;
  };
  /** null: nothing is traced. */
  readonly traces: TracesConfig | null;
  /** Secret: beside the admin port's token, it opens `x-weir-debug`. null: there is none. */
  readonly debugToken: string | null;
  readonly retry: RetryConfig;
  readonly providers: readonly ProviderConfig[];
  readonly models: readonly ModelConfig[];
  /** null: nobody is asked for a key. */
  readonly consumers: readonly ConsumerConfig[] | null;
  /** null: callers are not told apart. */
  readonly callers: CallersConfig | null;
  /** null: nothing is refused for it. */
  readonly overload: OverloadConfig | null;
  readonly clients: ClientsConfig;
  /** null: no records are written. */
  readonly usage: UsageConfig | null;
  /** What was understood but is not acted upon by this version; logged at start. */
  readonly warnings: readonly string[];
}

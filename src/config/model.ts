/**
 * The effective configuration: what the file says after defaults, `${ENV}` and units are worked out.
 * Plain data, so that it can be handed to worker threads.
 */
import type { DialectName } from '../core/errors.js';

export interface ListenAddress {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

export interface PublicListen extends ListenAddress {
  /** Paths of PEM files; null serves clear text. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
}

export interface ProviderTimeouts {
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly idleMs: number;
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
}

export interface TargetConfig {
  readonly provider: string;
  /** The name that the provider knows; null passes the caller's on unchanged. */
  readonly model: string | null;
  readonly weight: number;
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

export type BalanceName = 'weighted' | 'round-robin' | 'least-busy' | 'least-latency' | 'hash';

export interface ModelConfig {
  /** What clients ask for, or `*`. */
  readonly name: string;
  readonly targets: readonly TargetConfig[];
  readonly balance: BalanceName;
  readonly fallbacks: readonly string[];
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

export interface ConsumerConfig {
  readonly name: string;
  /** SHA-256 of each key, lower-case hex. The keys themselves are gone once the file is loaded. */
  readonly keyDigests: readonly string[];
  readonly tier: string | null;
  /** The tier's limits and the consumer's own. */
  readonly limits: readonly LimitConfig[];
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

export interface WeirConfig {
  /** The file it was read from, for messages. */
  readonly file: string;
  readonly listen: PublicListen;
  readonly admin: ListenAddress;
  readonly workers: number;
  readonly accept: 'auto' | 'acceptor' | 'reuseport';
  readonly stateDir: string | null;
  readonly drainTimeoutMs: number;
  readonly log: {
    readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
    readonly access: boolean;
  };
  readonly providers: readonly ProviderConfig[];
  readonly models: readonly ModelConfig[];
  /** null: nobody is asked for a key. */
  readonly consumers: readonly ConsumerConfig[] | null;
  /** null: callers are not told apart. */
  readonly callers: CallersConfig | null;
  /** What was understood but is not acted upon by this version; logged at start. */
  readonly warnings: readonly string[];
}

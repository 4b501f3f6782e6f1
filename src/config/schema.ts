/**
 * The configuration file, version 1: its fields, their defaults, and the descriptions that editors
 * show. What spans several fields is checked in consistency.ts and references.ts.
 */
import { z } from 'zod';
import { BOUNDS } from '../core/bounds.js';
import { PORT_MAX } from './address.js';
import {
  address,
  amount,
  choice,
  duration,
  hasControlCharacters,
  hashBy,
  host,
  off,
  onOff,
  price as priceField,
  requestPath,
  text,
  wholeNumber,
  workerCount,
} from './fields.js';
import { apiKey, baseUrl, consumerKey, proxyUrl } from './secrets.js';

const DAY_MS = 86_400_000;
/** A timer of Node's holds at most 2^31 - 1 ms, a bit more than this. */
const TIMEOUT_MS_MAX = 24 * DAY_MS;
const PERIOD_MS_MAX = 366 * DAY_MS;
/** Beyond it a typing error is likelier than a limit, and sums would lose precision. */
const AMOUNT_MAX = 1e15;
const NAME_CHARS_MAX = 256;
const WORKERS_MAX = 256;
const CONNECTIONS_MAX = 1_000_000;
/** US dollars for a million tokens. */
const PRICE_MAX = 1e6;
const WEIGHT_MAX = 65_535;
const COUNT_MAX = 1_000_000;
const PRIORITY_MAX = 65_535;
const ATTEMPTS_MAX = 16;

export const PUBLIC_HOST_DEFAULT = '0.0.0.0';
export const ADMIN_HOST_DEFAULT = '127.0.0.1';

/** A mapping with these keys only. Its message for an unknown key is the list of the known ones. */
function mapping<const Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const known = Object.keys(shape).join(' ');
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? known : undefined),
  });
}

/** A mapping whose keys the operator chooses. */
function named<Value extends z.ZodType>(value: Value) {
  const name = z
    .string()
    .refine((key) => isName(key), {
      error: `expected a name of 1 to ${NAME_CHARS_MAX} characters without control characters or spaces around it`,
    })
    .meta({ minLength: 1, maxLength: NAME_CHARS_MAX });
  return z.record(name, value).meta({ minProperties: 1 });
}

function isName(key: string): boolean {
  const isBetween = key.length >= 1 && key.length <= NAME_CHARS_MAX;
  return isBetween && key.trim() === key && !hasControlCharacters(key);
}

const port = wholeNumber(0, PORT_MAX).describe('TCP port; 0 lets the system choose.');

const tls = mapping({
  cert: text('the path of a PEM file').describe(
    'PEM file of the certificate chain, relative to this file.',
  ),
  key: text('the path of a PEM file').describe(
    'PEM file of the private key, relative to this file.',
  ),
}).describe('Serve TLS with this certificate; left out: clear text.');

const listen = z
  .union([
    address(PUBLIC_HOST_DEFAULT),
    mapping({
      host: host().prefault(PUBLIC_HOST_DEFAULT).describe('Address or name to listen on.'),
      port,
      tls: tls.optional(),
    }),
  ])
  .prefault(`${PUBLIC_HOST_DEFAULT}:8080`)
  .describe('Where clients connect: host:port, a port, or a mapping with TLS.');

const admin = z
  .union([
    address(ADMIN_HOST_DEFAULT),
    mapping({
      host: host().prefault(ADMIN_HOST_DEFAULT).describe('Address or name to listen on.'),
      port,
    }),
  ])
  .prefault(`${ADMIN_HOST_DEFAULT}:8081`)
  .describe('Health, metrics and dashboard; keep it away from clients.');

const log = mapping({
  level: choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .prefault('info')
    .describe('The least important lines that are written.'),
  access: onOff().prefault('on').describe('One line for every exchange.'),
});

const timeouts = mapping({
  connect: duration(TIMEOUT_MS_MAX).prefault('5s').describe('To connect, TLS included.'),
  first_byte: duration(TIMEOUT_MS_MAX)
    .prefault('600s')
    .describe('From the request sent to the first byte of the answer.'),
  first_token: duration(TIMEOUT_MS_MAX)
    .optional()
    .describe('From the request sent to the first content of the answer; left out: not bounded.'),
  idle: duration(TIMEOUT_MS_MAX).prefault('300s').describe('Between two pieces of an answer.'),
  whole: duration(TIMEOUT_MS_MAX)
    .optional()
    .describe('The whole exchange, from its head to its end; left out: not bounded.'),
});

const modelTimeouts = mapping({
  first_byte: duration(TIMEOUT_MS_MAX).optional().describe('In place of the provider’s.'),
  first_token: duration(TIMEOUT_MS_MAX).optional().describe('In place of the provider’s.'),
  idle: duration(TIMEOUT_MS_MAX).optional().describe('In place of the provider’s.'),
  whole: duration(TIMEOUT_MS_MAX).optional().describe('In place of the provider’s.'),
}).describe('How long Weir waits for this model, in place of its providers’ `timeouts`.');

const connections = mapping({
  max: wholeNumber(1, CONNECTIONS_MAX)
    .prefault(16_384)
    .describe('Connections of the whole gateway to this provider.'),
  queue: wholeNumber(0, CONNECTIONS_MAX)
    .prefault(1024)
    .describe('Exchanges of the whole gateway that may wait for a connection.'),
  queue_timeout: duration(TIMEOUT_MS_MAX)
    .prefault('5s')
    .describe('The longest that an exchange waits for a connection.'),
  keep_alive: duration(TIMEOUT_MS_MAX)
    .prefault('4s')
    .describe('How long an unused connection is kept; keep it below what the provider allows.'),
  warm: wholeNumber(0, CONNECTIONS_MAX)
    .prefault(0)
    .describe('Connections of the whole gateway that are kept open in advance.'),
});

const percent = wholeNumber(1, 100);
const breaker = z
  .union([
    off(),
    mapping({
      failures: wholeNumber(1, COUNT_MAX)
        .prefault(5)
        .describe('So many failures in a row eject a target.'),
      rate: percent
        .prefault(50)
        .describe('So many percent of the requests of a window eject it, too.'),
      min_requests: wholeNumber(1, COUNT_MAX)
        .prefault(20)
        .describe('A window with fewer requests is not judged by its rate.'),
      window: duration(TIMEOUT_MS_MAX).prefault('10s').describe('What the rate is taken over.'),
      eject: duration(TIMEOUT_MS_MAX)
        .prefault('5s')
        .describe('How long the first ejection takes; each further one takes twice as long.'),
      eject_max: duration(TIMEOUT_MS_MAX).prefault('5m').describe('The longest ejection.'),
      share_max: percent
        .prefault(50)
        .describe('Percent of a model’s targets that may be ejected at a time; never all.'),
    }),
  ])
  .prefault({})
  .describe('When its targets get no requests for a while because they fail; off: never.');

const health = mapping({
  path: requestPath().optional().describe('Asked for with GET; 2xx and 3xx are well.'),
  model: text('the name of a model')
    .optional()
    .describe('Asked for one token, by the name that the provider knows; costs a little.'),
  every: duration(TIMEOUT_MS_MAX).prefault('10s').describe('From one check to the next.'),
  timeout: duration(TIMEOUT_MS_MAX).prefault('5s').describe('The longest that a check may take.'),
})
  .meta({ oneOf: [{ required: ['path'] }, { required: ['model'] }] })
  .describe('Requests of Weir’s own that tell whether the provider is well; left out: none.');
const pemFile = text('the path of a PEM file');
const providerTls = mapping({
  ca: pemFile
    .optional()
    .describe('PEM file of the authorities to trust, in place of the built-in ones.'),
  cert: pemFile.optional().describe('PEM file of the certificate chain that Weir shows.'),
  key: pemFile.optional().describe('PEM file of its private key, without a passphrase.'),
})
  .meta({ dependentRequired: { cert: ['key'], key: ['cert'] } })
  .describe('Whom to trust, and who Weir is; paths are relative to this file.');

const provider = mapping({
  dialect: choice(['openai', 'anthropic']).describe('The wire format that the provider speaks.'),
  base_url: baseUrl().describe('Where its API begins, such as https://api.openai.com/v1.'),
  api_key: apiKey()
    .optional()
    .describe('The credential for the provider. Left out or empty: the caller’s own is passed on.'),
  timeouts: timeouts.prefault({}).describe('How long Weir waits for the provider.'),
  connections: connections
    .prefault({})
    .describe('How many connections Weir keeps to the provider.'),
  tls: providerTls.optional(),
  proxy_url: proxyUrl()
    .optional()
    .describe('An HTTP proxy to tunnel through: http://user:password@host:port. Empty: none.'),
  engine: choice(['auto', 'lean', 'undici'])
    .prefault('auto')
    .describe('Who speaks HTTP to the provider: auto takes lean; undici is the reference.'),
  ask_usage: onOff()
    .prefault('on')
    .describe(
      'Ask for stream_options.include_usage where limits need it and the client did not; off for providers that refuse it.',
    ),
  breaker,
  health: health.optional(),
}).describe('An upstream API.');

const providerName = text('the name of a provider').describe('A name under `providers`.');
const upstreamModel = text('the name of a model').describe(
  'The name that the provider knows; left out: the caller’s name is passed on.',
);

const dollars = priceField(PRICE_MAX);
const price = mapping({
  input: dollars.describe('Of prompts.'),
  output: dollars.describe('Of answers.'),
  cached_input: dollars.optional().describe('Of prompts read from the provider’s cache.'),
  cache_write: dollars.optional().describe('Of prompts written to the provider’s cache.'),
  audio_input: dollars.optional().describe('Of audio in prompts.'),
  audio_output: dollars.optional().describe('Of audio in answers.'),
}).describe('US dollars for a million tokens, in place of the built-in price list.');

const target = mapping({
  provider: providerName,
  model: upstreamModel.optional(),
  weight: wholeNumber(1, WEIGHT_MAX)
    .prefault(1)
    .describe('Share of the requests, relative to the other targets.'),
  priority: wholeNumber(0, PRIORITY_MAX)
    .prefault(0)
    .describe('Targets with the lowest number come first; the others when none of these is left.'),
  price: price.optional(),
}).describe('A provider and the model name that it knows.');

const modelNames = z.array(text('the name of a model'));
const attempts = wholeNumber(1, ATTEMPTS_MAX);

const retry = mapping({
  attempts: attempts
    .prefault(3)
    .describe('How often a call is tried in all, at each model of a chain of fallbacks.'),
  backoff: duration(TIMEOUT_MS_MAX)
    .prefault('100ms')
    .describe('About the wait before the same target is tried again; it doubles each time.'),
  backoff_max: duration(TIMEOUT_MS_MAX)
    .prefault('5s')
    .describe('The longest such wait, also where the provider asks for a longer one.'),
  budget: wholeNumber(0, 100)
    .prefault(20)
    .describe('Further attempts of a worker, in percent of its exchanges.'),
});

const model = mapping({
  provider: providerName.optional(),
  model: upstreamModel.optional(),
  price: price.optional(),
  targets: z
    .array(target)
    .min(1)
    .optional()
    .describe('Where requests may go, instead of `provider`.'),
  balance: choice(['weighted', 'round-robin', 'least-busy', 'least-latency', 'lowest-cost', 'hash'])
    .optional()
    .describe('How a target is chosen; weighted where left out.'),
  hash_by: hashBy()
    .optional()
    .describe('With balance: hash, what keeps requests together: consumer, prompt or header:NAME.'),
  fallbacks: modelNames
    .prefault([])
    .describe('Names under `models`, tried in turn when this one fails.'),
  context_fallbacks: modelNames
    .prefault([])
    .describe('The same where the prompt is too long for this one.'),
  content_fallbacks: modelNames
    .prefault([])
    .describe('The same where a content filter refuses the prompt.'),
  hedge: duration(TIMEOUT_MS_MAX)
    .optional()
    .describe('After so long without an answer a second call goes to the next target.'),
  retry: mapping({
    attempts: attempts.optional().describe('In place of `retry.attempts`.'),
    backoff: duration(TIMEOUT_MS_MAX).optional().describe('In place of `retry.backoff`.'),
  })
    .optional()
    .describe('What is different for this model.'),
  timeouts: modelTimeouts.optional(),
  keepalive: duration(TIMEOUT_MS_MAX)
    .optional()
    .describe(
      'Silence within an event stream after which its client is sent a comment; left out: never.',
    ),
})
  .meta({ oneOf: [{ required: ['provider'] }, { required: ['targets'] }] })
  .describe('What clients ask for: one provider (short form), or several targets.');

const wholeAmount = wholeNumber(1, AMOUNT_MAX);
const limit = mapping({
  requests: wholeAmount.optional().describe('Requests in each period.'),
  tokens: wholeAmount.optional().describe('Tokens, prompt and answer, in each period.'),
  input_tokens: wholeAmount.optional().describe('Tokens of prompts in each period.'),
  output_tokens: wholeAmount.optional().describe('Tokens of answers in each period.'),
  cost: amount(AMOUNT_MAX).optional().describe('US dollars in each period.'),
  concurrency: wholeAmount.optional().describe('Exchanges at the same time.'),
  per: duration(PERIOD_MS_MAX).optional().describe('The period.'),
  burst: amount(AMOUNT_MAX)
    .optional()
    .describe('What the bucket holds; the amount where left out.'),
  models: z
    .array(text('the name of a model'))
    .min(1)
    .optional()
    .describe('Names under `models` that the limit counts; left out: all requests.'),
  enforce: choice(['request', 'stream'])
    .optional()
    .describe(
      '`stream` also ends a running stream when the bucket is empty; `request` refuses only the next.',
    ),
})
  .meta({
    oneOf: [
      ...['requests', 'tokens', 'input_tokens', 'output_tokens', 'cost'].map((kind) => ({
        required: [kind, 'per'],
      })),
      { required: ['concurrency'], properties: { per: false, burst: false, enforce: false } },
    ],
  })
  .describe('A token bucket, or a number of exchanges at a time.');

const limits = z.array(limit);

const tier = mapping({
  limits: limits.prefault([]).describe('Limits of each consumer of this tier.'),
}).describe('Limits that several consumers share the values of, each with buckets of its own.');

const consumer = mapping({
  keys: z
    .array(consumerKey())
    .min(1)
    .describe('Keys, plain or as sha256:<hex>; any of them identifies the consumer.'),
  tier: text('the name of a tier').optional().describe('A name under `tiers`.'),
  limits: limits.prefault([]).describe('Limits beside those of the tier.'),
}).describe('Who calls: a team, an app, a person.');

const callers = mapping({
  by: choice(['address', 'user']).describe(
    'What tells callers apart: their address, or the end user that a request names as `user`.',
  ),
  slots: wholeNumber(1, BOUNDS.limitSlotsMax)
    .prefault(65_536)
    .describe('How many callers are told apart at a time.'),
  limits: z.array(limit).min(1).describe('Limits of each caller.'),
}).describe('Limits for whoever calls, each with buckets of its own, beside those of consumers.');

export const fileSchema = mapping({
  listen,
  admin,
  workers: workerCount(WORKERS_MAX)
    .prefault('auto')
    .describe('Worker threads; auto is one a core.'),
  accept: choice(['auto', 'acceptor', 'reuseport'])
    .prefault('auto')
    .describe('How connections reach the workers; auto takes the acceptor where it exists.'),
  state_dir: text('the path of a directory', { mayBeEmpty: true })
    .optional()
    .describe(
      'Where state is kept over a restart, relative to this file; left out: nothing is kept.',
    ),
  drain_timeout: duration(TIMEOUT_MS_MAX)
    .prefault('60s')
    .describe('How long running exchanges may take to end when Weir stops.'),
  log: log.prefault({}).describe('What is logged.'),
  retry: retry.prefault({}).describe('How calls that failed are tried again.'),
  providers: named(provider).describe('The upstream APIs, by name.'),
  models: named(model).describe(
    'What clients ask for. `*` is any other name, and requests that name no model.',
  ),
  tiers: named(tier).optional().describe('Limits for several consumers, by name.'),
  consumers: named(consumer)
    .optional()
    .describe('Who may call. Left out: nobody is asked for a key.'),
  callers: callers.optional(),
});

/** The file after defaults and units, before names are looked up. */
export type ParsedFile = z.infer<typeof fileSchema>;

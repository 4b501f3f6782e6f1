/**
 * The configuration file, version 1: its fields, their defaults, and the descriptions that editors
 * show. What spans several fields is checked in consistency.ts and references.ts.
 */
import { z } from 'zod';
import { BOUNDS } from '../core/bounds.js';
import {
  amount,
  choice,
  duration,
  hashBy,
  onOff,
  price as priceField,
  text,
  wholeNumber,
  workerCount,
} from './fields.js';
import { admin, listen, log, metrics, trustedProxies } from './listen-schema.js';
import { clients, overload, priority } from './overload-schema.js';
import { provider } from './provider-schema.js';
import { mapping, named, PERIOD_MS_MAX, TIMEOUT_MS_MAX } from './schema-parts.js';
import { adminToken, consumerKey } from './secrets.js';
import { traces } from './traces-schema.js';
import { usage } from './usage-schema.js';

/** Beyond it a typing error is likelier than a limit, and sums would lose precision. */
const AMOUNT_MAX = 1e15;
const WORKERS_MAX = 256;
/** US dollars for a million tokens. */
const PRICE_MAX = 1e6;
const WEIGHT_MAX = 65_535;
const PRIORITY_MAX = 65_535;
const ATTEMPTS_MAX = 16;

const modelTimeouts = mapping({
  first_byte: duration(TIMEOUT_MS_MAX).optional().describe('In place of the provider’s.'),
  first_token: duration(TIMEOUT_MS_MAX).optional().describe('In place of the provider’s.'),
  idle: duration(TIMEOUT_MS_MAX).optional().describe('In place of the provider’s.'),
  whole: duration(TIMEOUT_MS_MAX).optional().describe('In place of the provider’s.'),
}).describe('How long Weir waits for this model, in place of its providers’ `timeouts`.');

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
  priority: priority.optional(),
}).describe('Limits that several consumers share the values of, each with buckets of its own.');

const consumer = mapping({
  keys: z
    .array(consumerKey())
    .min(1)
    .describe('Keys, plain or as sha256:<hex>; any of them identifies the consumer.'),
  tier: text('the name of a tier').optional().describe('A name under `tiers`.'),
  limits: limits.prefault([]).describe('Limits beside those of the tier.'),
  priority: priority.optional(),
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
  watch: onOff()
    .prefault('off')
    .describe('Whether the file is read again when it changes, as on SIGHUP.'),
  state_dir: text('the path of a directory', { mayBeEmpty: true })
    .optional()
    .describe(
      'Where state is kept over a restart, relative to this file; left out: nothing is kept.',
    ),
  drain_timeout: duration(TIMEOUT_MS_MAX)
    .prefault('60s')
    .describe('How long running exchanges may take to end when Weir stops.'),
  upgrade_drain_timeout: duration(TIMEOUT_MS_MAX)
    .prefault('10m')
    .describe('How long running exchanges may take to end when a newer server has taken over.'),
  log: log.prefault({}).describe('What is logged.'),
  metrics: metrics.prefault({}).describe('What /metrics shows.'),
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
  overload,
  clients: clients.prefault({}),
  usage: usage.optional(),
  traces: traces.optional(),
  debug_token: adminToken()
    .optional()
    .describe(
      'Whoever sends it as x-weir-debug gets an exchange’s timeline in the answer’s headers.',
    ),
  trusted_proxies: trustedProxies,
});

/** The file after defaults and units, before names are looked up. */
export type ParsedFile = z.infer<typeof fileSchema>;

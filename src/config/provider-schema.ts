/** The schema of one provider. */
import { z } from 'zod';
import { choice, duration, off, onOff, requestPath, text, wholeNumber } from './fields.js';
import { CONNECTIONS_MAX, COUNT_MAX, mapping, TIMEOUT_MS_MAX } from './schema-parts.js';
import { apiKey, baseUrl, proxyUrl } from './secrets.js';

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

export const provider = mapping({
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
  tell_client: onOff()
    .prefault('off')
    .describe(
      'Send it the client’s address as x-forwarded-for; off: no word of where a client is.',
    ),
  breaker,
  health: health.optional(),
}).describe('An upstream API.');

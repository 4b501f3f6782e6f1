/** The schema of where Weir listens, and of what it logs. */
import { z } from 'zod';
import { PORT_MAX } from './address.js';
import { address, amount, choice, host, networks, onOff, text, wholeNumber } from './fields.js';
import { mapping } from './schema-parts.js';
import { adminToken } from './secrets.js';

export const PUBLIC_HOST_DEFAULT = '0.0.0.0';
export const ADMIN_HOST_DEFAULT = '127.0.0.1';

const port = wholeNumber(0, PORT_MAX).describe('TCP port; 0 lets the system choose.');

const tls = mapping({
  cert: text('the path of a PEM file').describe(
    'PEM file of the certificate chain, relative to this file.',
  ),
  key: text('the path of a PEM file').describe(
    'PEM file of the private key, relative to this file.',
  ),
  client_ca: text('the path of a PEM file')
    .optional()
    .describe(
      'PEM file of the authorities whose certificates clients must show, relative to this file; left out: none is asked for.',
    ),
  client_auth: choice(['require', 'request'])
    .optional()
    .describe('With client_ca: request also lets in clients that show no certificate at all.'),
}).describe('Serve TLS with this certificate; left out: clear text.');

export const listen = z
  .union([
    address(PUBLIC_HOST_DEFAULT),
    mapping({
      host: host().prefault(PUBLIC_HOST_DEFAULT).describe('Address or name to listen on.'),
      port,
      tls: tls.optional(),
      proxy_protocol: choice(['off', 'v1', 'v2', 'either'])
        .prefault('off')
        .describe('The header that trusted_proxies put in front of each connection, and must.'),
    }),
  ])
  .prefault(`${PUBLIC_HOST_DEFAULT}:8080`)
  .describe('Where clients connect: host:port, a port, or a mapping with TLS.');

export const admin = z
  .union([
    address(ADMIN_HOST_DEFAULT),
    mapping({
      host: host().prefault(ADMIN_HOST_DEFAULT).describe('Address or name to listen on.'),
      port,
      token: adminToken()
        .optional()
        .describe('What requests must carry as `authorization: Bearer …`, but for health checks.'),
    }),
  ])
  .prefault(`${ADMIN_HOST_DEFAULT}:8081`)
  .describe('Health, metrics and dashboard: on this machine alone, or with a token.');

export const trustedProxies = z
  .array(networks())
  .prefault([])
  .describe(
    'Proxies whose x-forwarded-for, and PROXY protocol, is believed: addresses, networks such as 10.0.0.0/8, loopback, private.',
  );

const METRIC_CONSUMERS_MAX = 10_000;

export const metrics = mapping({
  consumers: wholeNumber(0, METRIC_CONSUMERS_MAX)
    .prefault(1000)
    .describe('Consumers with series of their own on /metrics; the rest is summed as `other`.'),
});

export const log = mapping({
  level: choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .prefault('info')
    .describe('The least important lines that are written.'),
  access: onOff().prefault('on').describe('One line for every exchange.'),
  client: onOff().prefault('off').describe('The client’s address in that line.'),
  sample: amount(1)
    .prefault(1)
    .describe('Share of the exchanges that ended well that have such a line; all others have one.'),
});

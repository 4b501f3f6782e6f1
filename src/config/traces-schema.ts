/** The schema of where traces go, and of which exchanges. */
import { z } from 'zod';
import { onOff, price, text } from './fields.js';
import { mapping } from './schema-parts.js';
import { headerValue, traceEndpoint } from './secrets.js';

const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/;

const headers = z.record(
  z.string().refine((name) => HEADER_NAME.test(name), { error: 'expected the name of a header' }),
  headerValue(),
);

export const traces = mapping({
  endpoint: traceEndpoint().describe(
    'OTLP over HTTP: where spans are posted to. Without a path /v1/traces is added; empty: nothing is traced.',
  ),
  headers: headers.optional().describe('What goes along with them, such as authorization.'),
  sample: price(1)
    .prefault(1)
    .describe('Share of the exchanges that are traced where their callers don’t decide: 0 to 1.'),
  parent: onOff()
    .prefault('on')
    .describe('Whether a caller’s traceparent decides if its exchange is traced.'),
  content: onOff()
    .prefault('off')
    .describe('Whether spans show the messages of prompts and answers.'),
  service: text('a name').prefault('weir').describe('What this gateway is called in traces.'),
}).describe('Traces, exported to an OpenTelemetry collector.');

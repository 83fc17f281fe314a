import { z } from 'zod';

/**
 * OpenTelemetry's own variables, by its specification: contract §8. Whoever runs many services sets them for all of them, so none stops
 * a start: what cannot be used is told in one line, and left out.
 */
const given = z.string().trim().optional();

export const tracingSettings = {
  OTEL_SDK_DISABLED: given.describe('`true`: nothing is traced, whatever else is set. Default false.'),
  OTEL_TRACES_EXPORTER: given.describe(
    '`otlp` sends spans to a collector, `none` does not. Default: otlp where an endpoint is set.',
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: given.describe(
    'Collector that takes OTLP over HTTP, such as http://localhost:4318: presence and dispatcher send their spans to /v1/traces there. Unset: nothing is traced.',
  ),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: given.describe('The same for spans alone, with the whole path.'),
  OTEL_EXPORTER_OTLP_PROTOCOL: given.describe('`http/protobuf` or `http/json`. Default http/protobuf.'),
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: given.describe('The same for spans alone.'),
  OTEL_EXPORTER_OTLP_HEADERS: given.describe('Headers for the collector, such as authorization=Bearer%20…, comma-separated.'),
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: given.describe('The same for spans alone.'),
  OTEL_EXPORTER_OTLP_TIMEOUT: given.describe(
    'Longest that the collector may take to accept spans, in milliseconds. Default 10000.',
  ),
  OTEL_TRACES_SAMPLER: given.describe(
    'Which traces are recorded: always_on, always_off, traceidratio, or parentbased_ and one of these. Default parentbased_always_on.',
  ),
  OTEL_TRACES_SAMPLER_ARG: given.describe('The part that traceidratio records, from 0 to 1. Default 1.'),
  OTEL_SERVICE_NAME: given.describe(
    'Name of the service in traces. Default: rollcall-presence, rollcall-dispatcher or rollcall-all-in-one.',
  ),
  OTEL_RESOURCE_ATTRIBUTES: given.describe('What else spans say of the service: key=value, comma-separated.'),
  OTEL_BSP_SCHEDULE_DELAY: given.describe('Spans are sent this often, in milliseconds. Default 5000.'),
  OTEL_BSP_MAX_QUEUE_SIZE: given.describe('Spans that may wait to be sent; more are dropped. Default 2048.'),
} satisfies Record<string, z.ZodType>;

/** Those that may stand in a file. */
export const TRACING_FILES = ['OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_EXPORTER_OTLP_TRACES_HEADERS'] as const;

import { describe, expect, it } from 'vitest';
import { readSettings } from '#runtime';
import { TRACING_SETTINGS, tracingOptionsOf, type TracingRequest } from './tracing-options.js';

/** As the environment says. */
function read(env: Record<string, string>): TracingRequest {
  return tracingOptionsOf(readSettings(env, TRACING_SETTINGS), 'presence');
}

const COLLECTOR = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

describe('what OTEL_* ask for', () => {
  it.each<[string, Record<string, string>]>([
    ['nothing is set', {}],
    ['the SDK is disabled', { ...COLLECTOR, OTEL_SDK_DISABLED: 'TRUE' }],
    ['there is no exporter', { ...COLLECTOR, OTEL_TRACES_EXPORTER: 'none' }],
    ['only a sampler is set', { OTEL_TRACES_SAMPLER: 'always_on', OTEL_SERVICE_NAME: 'x' }],
  ])('is nothing where %s', (_, env) => {
    expect(read(env)).toEqual({ options: undefined, problems: [] });
  });

  it('is spans to the collector, all of them, as protobuf', () => {
    expect(read(COLLECTOR)).toEqual({
      problems: [],
      options: {
        url: 'http://collector:4318/v1/traces',
        protocol: 'http/protobuf',
        headers: {},
        timeoutMs: 10_000,
        sampling: { kind: 'always_on', isParentBased: true, ratio: 1 },
        resource: { 'service.name': 'rollcall-presence', 'service.namespace': 'rollcall' },
        delayMs: 5000,
        queueSize: 2048,
      },
    });
  });

  it('is what stands for spans alone before what stands for all signals', () => {
    const { options, problems } = read({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://all:4318/',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://spans/in',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_HEADERS: 'a=1, authorization=Bearer%20all',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'authorization=Bearer%20spans',
    });
    expect(problems).toEqual([]);
    expect(options).toMatchObject({
      url: 'https://spans/in',
      protocol: 'http/json',
      headers: { a: '1', authorization: 'Bearer spans' },
    });
    expect(read({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://all:4318/base/' }).options!.url).toBe('http://all:4318/base/v1/traces');
    expect(read({ OTEL_TRACES_EXPORTER: 'otlp' }).options!.url).toBe('http://localhost:4318/v1/traces');
  });

  it('is a name and attributes, of which the name alone counts more', () => {
    const attributes = 'deployment.environment.name=live,service.name=other';
    expect(read({ ...COLLECTOR, OTEL_RESOURCE_ATTRIBUTES: attributes, OTEL_SERVICE_NAME: 'mine' }).options!.resource).toEqual({
      'service.name': 'mine',
      'service.namespace': 'rollcall',
      'deployment.environment.name': 'live',
    });
    expect(read({ ...COLLECTOR, OTEL_RESOURCE_ATTRIBUTES: attributes }).options!.resource['service.name']).toBe('other');
  });

  it.each([
    ['always_off', undefined, { kind: 'always_off', isParentBased: false, ratio: 1 }],
    ['parentbased_traceidratio', '0.01', { kind: 'traceidratio', isParentBased: true, ratio: 0.01 }],
    ['TraceIdRatio', undefined, { kind: 'traceidratio', isParentBased: false, ratio: 1 }],
    ['always_on', 'what', { kind: 'always_on', isParentBased: false, ratio: 1 }],
  ])('is the sampler %s with %s', (name, arg, sampling) => {
    const env = { ...COLLECTOR, OTEL_TRACES_SAMPLER: name, ...(arg !== undefined && { OTEL_TRACES_SAMPLER_ARG: arg }) };
    expect(read(env)).toMatchObject({ options: { sampling }, problems: [] });
  });

  it.each<[string, string, unknown]>([
    ['OTEL_TRACES_SAMPLER', 'jaeger_remote', { sampling: { kind: 'always_on', isParentBased: true } }],
    ['OTEL_BSP_SCHEDULE_DELAY', '5s', { delayMs: 5000 }],
    ['OTEL_BSP_MAX_QUEUE_SIZE', '0', { queueSize: 2048 }],
    ['OTEL_EXPORTER_OTLP_TIMEOUT', '-1', { timeoutMs: 10_000 }],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a secret', { headers: {} }],
    ['OTEL_RESOURCE_ATTRIBUTES', 'a=%', { resource: { 'service.name': 'rollcall-presence' } }],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4317', undefined],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc', undefined],
    ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'grpc', undefined],
    ['OTEL_TRACES_EXPORTER', 'zipkin', undefined],
  ])('names %s where it is "%s", and goes on', (name, value, expected) => {
    const { options, problems } = read({ ...COLLECTOR, [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(name);
    expect(problems[0]).not.toContain('secret');
    if (expected === undefined) expect(options).toBeUndefined();
    else expect(options).toMatchObject(expected as object);
  });

  it('names a ratio that is none', () => {
    const env = { ...COLLECTOR, OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '1%' };
    expect(read(env)).toMatchObject({ options: { sampling: { ratio: 1 } }, problems: [expect.stringContaining('_ARG')] });
  });
});

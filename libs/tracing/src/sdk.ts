import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { trace, type Attributes, type Context, type Link, type SpanKind, type Tracer } from '@opentelemetry/api';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  RandomIdGenerator,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type IdGenerator,
  type Sampler,
  type SamplingResult,
} from '@opentelemetry/sdk-trace';
import { VERSION, type Logger } from '#runtime';
import { chosenIds, OWN_TRACE } from './hops.js';
import { ToldExporter } from './told-exporter.js';
import type { Sampling, TracingOptions } from './tracing-options.js';

const MAX_EXPORT = 512;
/** Longest that a stop waits for the collector, in milliseconds. */
const STOP_MS = 2000;

/** A tracer whose spans are sent, and how it is let go. */
export interface RunningSdk {
  readonly tracer: Tracer;
  /** Sends what waits, where that takes no longer than 2 s. */
  stop(): Promise<void>;
}

/** Starts OpenTelemetry's SDK. This module alone loads it, when it is asked for: nobody else pays for it. */
export function startSdk(options: TracingOptions, logger: Logger): RunningSdk {
  const { url, protocol, headers, timeoutMs, sampling, delayMs, queueSize } = options;
  const Exporter = protocol === 'http/json' ? JsonExporter : ProtobufExporter;
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.version': VERSION,
      'service.instance.id': randomUUID(),
      ...options.resource,
    }),
    sampler: new HopSampler(samplerOf(sampling)),
    idGenerator: new HopIds(),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new ToldExporter(new Exporter({ url, headers, timeoutMillis: timeoutMs }), logger),
        scheduledDelayMillis: delayMs,
        maxQueueSize: queueSize,
        maxExportBatchSize: Math.min(MAX_EXPORT, queueSize),
      }),
    ],
  });
  return {
    tracer: provider.getTracer('rollcall', VERSION),
    stop: async () => {
      // What could not be sent was told.
      const sent = provider.shutdown().catch(() => undefined);
      await Promise.race([sent, delay(STOP_MS, undefined, { ref: false })]);
    },
  };
}

function samplerOf({ kind, isParentBased, ratio }: Sampling): Sampler {
  const root =
    kind === 'always_on'
      ? new AlwaysOnSampler()
      : kind === 'always_off'
        ? new AlwaysOffSampler()
        : new TraceIdRatioBasedSampler(ratio);
  return isParentBased ? new ParentBasedSampler({ root }) : root;
}

/**
 * Decides spans of a change's own trace as if each were its first: the id decides, so that processes agree without being told, also where
 * one of them traces and another does not.
 */
class HopSampler implements Sampler {
  constructor(private readonly inner: Sampler) {}

  shouldSample(
    context: Context,
    traceId: string,
    name: string,
    kind: SpanKind,
    attributes: Attributes,
    links: Link[],
  ): SamplingResult {
    const parent = context.getValue(OWN_TRACE) === true ? trace.deleteSpan(context) : context;
    return this.inner.shouldSample(parent, traceId, name, kind, attributes, links);
  }

  toString(): string {
    return this.inner.toString();
  }
}

/** Draws ids, but for those that follow from a change. */
class HopIds implements IdGenerator {
  private readonly random = new RandomIdGenerator();

  generateTraceId = (): string => chosenIds.traceId ?? this.random.generateTraceId();

  generateSpanId = (): string => chosenIds.spanId ?? this.random.generateSpanId();
}

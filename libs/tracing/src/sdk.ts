import { randomUUID } from 'node:crypto';
import { ROOT_CONTEXT } from '@opentelemetry/api';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  RandomIdGenerator,
  SamplingDecision,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { settledWithin, VERSION, type Logger } from '#runtime';
import type { ChosenIds, Recording } from './hops.js';
import { ToldExporter } from './told-exporter.js';
import type { Sampling, TracingOptions } from './tracing-options.js';

const MAX_EXPORT = 512;
/** Longest that a stop waits for the collector, in milliseconds. */
const STOP_MS = 2000;

/** An SDK that runs, and how it is let go. */
export interface RunningSdk {
  readonly recording: Recording;
  /** Sends what waits, where that takes no longer than 2 s. */
  stop(): Promise<void>;
}

/** Starts OpenTelemetry's SDK. This module alone loads it, when it is asked for: nobody else pays for it. */
export function startSdk(options: TracingOptions, logger: Logger): RunningSdk {
  const { url, protocol, headers, timeoutMs, sampling, delayMs, queueSize } = options;
  const Exporter = protocol === 'http/json' ? JsonExporter : ProtobufExporter;
  const ids: ChosenIds = {};
  const random = new RandomIdGenerator();
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.version': VERSION,
      'service.instance.id': randomUUID(),
      ...options.resource,
    }),
    // Which traces are recorded is decided before a span is made: those that are not cost no more than that.
    sampler: new AlwaysOnSampler(),
    idGenerator: {
      generateTraceId: () => ids.traceId ?? random.generateTraceId(),
      generateSpanId: () => ids.spanId ?? random.generateSpanId(),
    },
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
    recording: {
      tracer: provider.getTracer('rollcall', VERSION),
      ids,
      isRecorded: recordedBy(sampling),
      isParentBased: sampling.isParentBased,
    },
    stop: async () => {
      await settledWithin(STOP_MS, [provider.shutdown()]); // what could not be sent was told
    },
  };
}

/** Whether a trace that begins here is recorded. OpenTelemetry's own sampler judges by the id, so that others who use it agree. */
function recordedBy({ kind, ratio }: Sampling): (traceId: string) => boolean {
  if (kind !== 'traceidratio') return () => kind === 'always_on';
  const sampler = new TraceIdRatioBasedSampler(ratio);
  return (traceId) => sampler.shouldSample(ROOT_CONTEXT, traceId).decision === SamplingDecision.RECORD_AND_SAMPLED;
}

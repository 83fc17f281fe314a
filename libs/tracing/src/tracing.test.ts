import { uuidv7 } from 'uuidv7';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { parseTraceparent, traceparentOf, type StatusChange } from '#contracts';
import type { RunningService } from '#runtime';
import { OtlpCollector } from '../../../test/support/otlp-collector.js';
import { eventually } from '../../../test/support/poll.js';
import {
  afterFanOut,
  beginAttempt,
  beginDecide,
  beginPublish,
  noteDecided,
  noteFanOut,
  startTraced,
  type TracingSettings,
} from './index.js';

const LONG_MS = 60_000;
const CALLER = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

function changeOf(traceparent?: string): StatusChange {
  return {
    ...{ id: uuidv7(), clientId: 12, agentId: 136, agentType: 'local', name: '136', agentStatus: 'available' },
    ...{ eventSource: 'api', sequence: 1, occurredAt: Date.now(), changedAt: Date.now(), traceparent },
  };
}

describe('tracing', () => {
  const lines: { msg: string; problems?: string[]; lost?: number }[] = [];
  const logger = pino({ level: 'info' }, { write: (line) => lines.push(JSON.parse(line) as (typeof lines)[number]) });
  const stops: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (let stop = stops.pop(); stop; stop = stops.pop()) await stop();
    lines.length = 0;
  });

  async function startWith(settings: TracingSettings): Promise<RunningService> {
    const service = { url: '', drain: () => undefined, stop: () => Promise.resolve() };
    const running = await startTraced(settings, 'test', logger, () => Promise.resolve(service));
    stops.push(() => running.stop());
    return running;
  }

  async function collect(): Promise<OtlpCollector> {
    const collector = await OtlpCollector.start();
    stops.push(() => collector.stop());
    return collector;
  }

  /** Has a change go all its way. @returns what the third party is told */
  function carry(change: StatusChange): string {
    beginDecide(change, change.traceparent ?? undefined).end();
    const publish = beginPublish(change, 'topic');
    publish.end();
    const arrived = { ...change, traceparent: publish.traceparent };
    noteFanOut(arrived, performance.now(), 1);
    const attempt = beginAttempt({ ...arrived, traceparent: afterFanOut(arrived) });
    attempt.end();
    return attempt.traceparent;
  }

  it('is off by default: what came is handed on, and a change that nobody traces has its own', () => {
    const change = changeOf();
    expect(beginDecide(change, undefined).traceparent).toBeUndefined();
    expect(beginDecide(change, 'nonsense').traceparent).toBeUndefined();
    expect(beginDecide(change, CALLER).traceparent).toBe(CALLER);
    expect(carry(change)).toBe(traceparentOf(change.id));
    expect(carry(changeOf(CALLER))).toBe(CALLER);
  });

  it('sends protobuf by default, with headers, and the last spans when the service has stopped', async () => {
    const collector = await collect();
    const running = await startWith({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20a-secret',
    });
    const { traceId } = parseTraceparent(carry(changeOf()))!;
    await running.stop();
    const [request] = collector.requests;
    expect(request).toMatchObject({ contentType: 'application/x-protobuf', authorization: 'Bearer a-secret' });
    for (const name of ['telemetry.decide', 'relay.publish', 'fan_out', 'delivery.attempt', 'rollcall-test'])
      expect(request!.body.includes(name), name).toBe(true);
    expect(request!.body.includes(Buffer.from(traceId, 'hex'))).toBe(true);
    expect(JSON.stringify(lines)).not.toContain('a-secret');
    expect(carry(changeOf(CALLER))).toBe(CALLER); // off again
  });

  it('records a part of the traces, each as a whole, and each that the caller records', async () => {
    const collector = await collect();
    const running = await startWith({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
    });
    const sent = Array.from({ length: 400 }, () => carry(changeOf()));
    carry(changeOf(CALLER));
    noteDecided(CALLER, performance.now(), changeOf(), 'unchanged');
    await running.stop();
    const names = (traceId: string): string[] => Object.keys(collector.trace(traceId)).toSorted();
    const all = ['delivery.attempt', 'fan_out', 'relay.publish', 'telemetry.decide'];
    const traces = sent.map((traceparent) => parseTraceparent(traceparent)!);
    for (const { traceId, isSampled } of traces) expect(names(traceId)).toEqual(isSampled ? all : []);
    const sampled = traces.filter(({ isSampled }) => isSampled).length;
    expect(sampled).toBeGreaterThan(40);
    expect(sampled).toBeLessThan(180);
    expect(collector.trace(parseTraceparent(CALLER)!.traceId)).toMatchObject({
      'telemetry.decide': [{ parentSpanId: '00f067aa0ba902b7' }, { attributes: { 'rollcall.result': 'unchanged' } }],
      fan_out: [{ attributes: { 'rollcall.client_id': 12 } }],
    });
  });

  it('says once that the collector is away, keeps no more than its queue, and says that it is back', async () => {
    const collector = await collect();
    collector.status = 400;
    await startWith({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '10',
      OTEL_BSP_MAX_QUEUE_SIZE: '100',
    });
    const told = (event: string): typeof lines => lines.filter(({ msg }) => msg === event);
    await eventually('the line', () => (carry(changeOf()), told('tracing.export_failed').length > 0), LONG_MS);
    for (let i = 0; i < 1000; i++) carry(changeOf()); // at once: far more than wait
    const refused = collector.refused;
    await eventually('more refusals', () => collector.refused > refused + 2 || (carry(changeOf()), false), LONG_MS);
    collector.status = 200;
    const [recovered] = await eventually(
      'the recovery',
      () => (carry(changeOf()), told('tracing.export_recovered').length > 0 && told('tracing.export_recovered')),
      LONG_MS,
    );
    expect(told('tracing.export_failed')).toHaveLength(1);
    expect(recovered!.lost).toBeGreaterThan(0);
    await eventually('spans', () => collector.spans.length > 0, LONG_MS);
  });

  it('does not hold up a stop while the collector is silent', async () => {
    const collector = await collect();
    collector.status = 0;
    const running = await startWith({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
    carry(changeOf());
    await running.stop(); // the collector never answers; the request is given up after 10 s, and the stop does not wait for that
    expect(collector.silent).toBe(1);
  });

  it('goes without where the settings cannot be used, in one line', async () => {
    await startWith({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317', OTEL_TRACES_SAMPLER: 'whatever' });
    const change = changeOf();
    expect(carry(change)).toBe(traceparentOf(change.id));
    expect(lines).toMatchObject([{ msg: 'tracing.settings_not_used', problems: [expect.stringContaining('OTLP_ENDPOINT')] }]);
  });
});

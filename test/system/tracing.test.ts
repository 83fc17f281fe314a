import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { TELEMETRY_TOPIC } from '#contracts';
import type { RestClient } from '../support/client.js';
import type { Cluster } from '../support/cluster.js';
import { ClusterWorld } from '../support/cluster-world.js';
import type { KafkaTap } from '../support/kafka-tap.js';
import { OtlpCollector, type CollectedSpan } from '../support/otlp-collector.js';
import { eventually } from '../support/poll.js';
import type { RecordingReceiver } from '../support/receiver.js';
import { LOGIN_ITEM } from '../support/telemetry-item.js';

const LONG_MS = 90_000;
const prefix = `tracing-${randomBytes(4).toString('hex')}.`;

/** A trace that somebody else began. */
function callersTrace(flags = '01'): { traceId: string; spanId: string; traceparent: string } {
  const traceId = randomBytes(16).toString('hex');
  const spanId = randomBytes(8).toString('hex');
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-${flags}` };
}

/** The services in processes of their own, and a collector that they send their spans to. */
describe.skipIf(inject('kafkaBrokers').length === 0)('the trace of a change', () => {
  let world: ClusterWorld;
  let cluster: Cluster;
  let collector: OtlpCollector;
  let receiver: RecordingReceiver;
  let tap: KafkaTap;
  let demo: RestClient;
  let platform: RestClient;
  let lastAgent = 1000;

  beforeAll(async () => {
    collector = await OtlpCollector.start();
    world = await ClusterWorld.start(inject('kafkaBrokers'), {
      KAFKA_PREFIX: prefix,
      KAFKA_TOPIC_PARTITIONS: '2',
      DELIVERY_TIMEOUT: '2s',
      DELIVERY_RETRY_SCHEDULE: '1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '100',
    });
    ({ cluster, tap, receiver, demo, platform } = world);
  }, 180_000);

  afterAll(async () => {
    await world?.stop();
    await collector?.stop();
  }, 60_000);

  /** An agent with an agent event. @returns its id, and the path that it is notified at */
  async function agent(): Promise<{ agentId: number; path: string }> {
    const agentId = ++lastAgent;
    const path = `/a${agentId}-`;
    await demo.api('PUT', `/client/@me/agent/local/${agentId}`, { extension_name: `${agentId}@ringme.ru` });
    const url = `${receiver.url}${path}`;
    const answer = await demo.api('POST', `/client/@me/agent/local/${agentId}/event/`, {
      url,
      event_type: 'agent-login',
      method: 'POST',
    });
    expect(answer.status).toBe(201);
    return { agentId, path };
  }

  const item = (agent_id: number): object => ({ ...LOGIN_ITEM, agent_id, extension_name: `${agent_id}@ringme.ru` });

  async function report(agentId: number, traceparent?: string): Promise<void> {
    const answer = await platform.telemetry(item(agentId), traceparent === undefined ? {} : { traceparent });
    expect(answer.status).toBe(200);
  }

  /** All hops of a trace, once so many attempts have come. */
  const hopsOf = (traceId: string, attempts = 1): Promise<Record<string, CollectedSpan[]>> =>
    eventually(
      `the spans of ${traceId}`,
      () => {
        const hops = collector.trace(traceId);
        return ['telemetry.decide', 'relay.publish', 'fan_out'].every((name) => hops[name]) &&
          hops['delivery.attempt']?.length === attempts
          ? hops
          : undefined;
      },
      LONG_MS,
    );

  /** One hop after the other, each the child of the one before. */
  function expectChain(hops: Record<string, CollectedSpan[]>, firstParent: string | undefined): void {
    const [decide] = hops['telemetry.decide']!;
    const [publish] = hops['relay.publish']!;
    const [fanOut] = hops['fan_out']!;
    expect([hops['telemetry.decide'], hops['relay.publish'], hops['fan_out']].map((spans) => spans!.length)).toEqual([1, 1, 1]);
    expect([decide!.parentSpanId, publish!.parentSpanId, fanOut!.parentSpanId]).toEqual([
      firstParent,
      decide!.spanId,
      publish!.spanId,
    ]);
    expect([decide!.service, publish!.service, fanOut!.service]).toEqual([
      'rollcall-presence',
      'rollcall-presence',
      'rollcall-dispatcher',
    ]);
    for (const attempt of hops['delivery.attempt']!) {
      expect(attempt).toMatchObject({ parentSpanId: fanOut!.spanId, service: 'rollcall-dispatcher' });
    }
  }

  it('goes on from the caller’s over HTTP, with a span for each attempt, to the third party', async () => {
    const { agentId, path } = await agent();
    receiver.answer((request, response) =>
      response.writeHead(receiver.at(path).length === 1 && request.url.startsWith(path) ? 503 : 200).end(),
    );
    const caller = callersTrace();
    await report(agentId, caller.traceparent);
    const hops = await hopsOf(caller.traceId, 2);
    expectChain(hops, caller.spanId);
    const attempts = hops['delivery.attempt']!;
    expect(
      attempts.map(({ attributes, status }) => [
        attributes['http.response.status_code'],
        attributes['http.request.resend_count'],
        status,
      ]),
    ).toEqual([
      [503, 0, 2],
      [200, 1, 0],
    ]);
    expect(receiver.at(path).map(({ headers }) => headers['traceparent'])).toEqual(
      attempts.map(({ spanId }) => `00-${caller.traceId}-${spanId}-01`),
    );
    expect(hops['fan_out']![0]!.attributes['rollcall.deliveries']).toBe(1);

    // A repeat changes nothing, and is seen to.
    const again = callersTrace();
    await report(agentId, again.traceparent);
    const [decide] = await eventually('the repeat', () => collector.trace(again.traceId)['telemetry.decide'], LONG_MS);
    expect(decide).toMatchObject({ parentSpanId: again.spanId, attributes: { 'rollcall.result': 'unchanged' } });
  }, 120_000);

  it('goes on from the caller’s over Kafka', async () => {
    const { agentId, path } = await agent();
    const { traceId, spanId, traceparent } = callersTrace();
    const key = `12:${agentId}`;
    await tap.send(`${prefix}${TELEMETRY_TOPIC}`, [{ key, value: JSON.stringify(item(agentId)), headers: { traceparent } }]);
    const hops = await hopsOf(traceId);
    expectChain(hops, spanId);
    expect(receiver.at(path)[0]!.headers['traceparent']).toBe(`00-${traceId}-${hops['delivery.attempt']![0]!.spanId}-01`);
  }, 120_000);

  it('is found by the webhook-id where nobody began one', async () => {
    const { agentId, path } = await agent();
    await report(agentId);
    const [request] = await eventually('the notification', () => receiver.at(path).length > 0 && receiver.at(path), LONG_MS);
    const changeId = String(request!.headers['webhook-id']).split('_')[0]!;
    const hops = await hopsOf(changeId.replaceAll('-', ''));
    expectChain(hops, undefined);
    expect(hops['telemetry.decide']![0]!.attributes['rollcall.change_id']).toBe(changeId);
  }, 120_000);

  it('is passed on and not recorded where the caller does not', async () => {
    const { agentId, path } = await agent();
    const { traceId, traceparent } = callersTrace('00');
    await report(agentId, traceparent);
    const [request] = await eventually('the notification', () => receiver.at(path).length > 0 && receiver.at(path), LONG_MS);
    expect(request!.headers['traceparent']).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`));
    // What comes after it has been sent, so this would have been.
    const later = callersTrace();
    await report((await agent()).agentId, later.traceparent);
    await hopsOf(later.traceId);
    expect(collector.trace(traceId)).toEqual({});
  }, 120_000);

  it('is the same after the dispatcher was killed between two attempts', async () => {
    const { agentId, path } = await agent();
    let status = 503;
    receiver.answer((_request, response) => response.writeHead(status).end());
    const caller = callersTrace();
    await report(agentId, caller.traceparent);
    await eventually('two attempts', () => (collector.trace(caller.traceId)['delivery.attempt'] ?? []).length >= 2, LONG_MS);
    const [dispatcher] = cluster.of('dispatcher');
    await dispatcher!.process.stop('SIGKILL');
    const before = collector.trace(caller.traceId)['delivery.attempt']!.length;
    status = 200;
    await cluster.restart(dispatcher!);
    const attempts = await eventually(
      'the delivery',
      () => {
        const all = collector.trace(caller.traceId)['delivery.attempt']!;
        return all.at(-1)!.attributes['http.response.status_code'] === 200 && all;
      },
      LONG_MS,
    );
    expect(attempts.length).toBeGreaterThan(before);
    expectChain(collector.trace(caller.traceId), caller.spanId);
    expect(receiver.at(path).at(-1)!.headers['traceparent']).toBe(`00-${caller.traceId}-${attempts.at(-1)!.spanId}-01`);
  }, 200_000);
});

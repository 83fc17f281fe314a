import {
  createContextKey,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import {
  formatTraceparent,
  ownTraceOf,
  parseTraceparent,
  traceparentOf,
  type AgentKey,
  type StatusChange,
  type TraceParent,
} from '#contracts';

/**
 * The spans of a change on its way: telemetry.decide → relay.publish → fan_out → delivery.attempt (ADR 34). Each is the child of the one
 * before it. Between two of them may lie the outbox, the topic, a crash or hours: what a hop needs to know of the one before it stands
 * with the change, or follows from its id.
 */

/** A change, as far as its trace goes. */
export type TracedChange = Pick<StatusChange, 'id' | 'traceparent'>;

/** A change, as spans name it. */
export type NamedChange = AgentKey & Pick<StatusChange, 'id' | 'sequence'>;

/** What came of a hop. */
export interface HopEnd {
  readonly attributes: Attributes;
  /** What went wrong, in a word or two. */
  readonly error?: string | undefined;
}

/** A hop that is under way. One that is never ended is never told of: it did not come to anything, or is done again. */
export interface Hop {
  /** For whoever goes on; undefined: the change's own. */
  readonly traceparent: string | undefined;
  /** @param tell what came of it; asked only where it is recorded */
  end(tell?: () => HopEnd): void;
}

/** Undefined while nothing is traced. */
let tracer: Tracer | undefined;

/** The ids of the span that is being started, where they follow from a change; the SDK's generator asks for them. */
export const chosenIds: { traceId?: string | undefined; spanId?: string | undefined } = {};

/** Stands in the context of a span whose trace is the change's own: whether it is recorded follows from its id, in each process alike. */
export const OWN_TRACE = createContextKey('rollcall: the trace of a change that nobody else traces');

/** Has hops make spans from now on; undefined: no more. */
export function traceWith(next: Tracer | undefined): void {
  tracer = next;
}

const UNTRACED: Hop = { traceparent: undefined, end: () => undefined };

/**
 * Begins to decide a report that changes an agent's status.
 *
 * @param caller `traceparent` as whoever reported it sent it
 */
export function beginDecide(change: NamedChange, caller: string | undefined): Hop {
  if (!tracer && caller === undefined) return UNTRACED;
  const parent = caller === undefined ? undefined : parseTraceparent(caller);
  if (!tracer) return parent ? { ...UNTRACED, traceparent: formatTraceparent(parent) } : UNTRACED;
  const { traceId, spanId } = ownTraceOf(change.id);
  const attributes = { ...attributesOf(change), 'rollcall.result': 'changed' };
  const span = start(
    'telemetry.decide',
    SpanKind.CONSUMER,
    parent && contextOf(parent),
    { traceId, spanId },
    undefined,
    attributes,
  );
  // What follows from the change's id need not be written anywhere.
  return hopOf(span, parent !== undefined);
}

/** Tells of a report that changed nothing, and that somebody traces. @param startedAt in milliseconds of `performance.now()` */
export function noteDecided(caller: string, startedAt: number, attributes: Attributes): void {
  const parent = tracer && parseTraceparent(caller);
  if (parent) start('telemetry.decide', SpanKind.CONSUMER, contextOf(parent), {}, startedAt, attributes).end();
}

/** Begins to publish a change. */
export function beginPublish(change: StatusChange, topic: string): Hop & { readonly traceparent: string } {
  if (!tracer) return { traceparent: change.traceparent ?? traceparentOf(change.id), end: UNTRACED.end };
  const attributes = { ...attributesOf(change), 'messaging.destination.name': topic, 'messaging.operation.type': 'send' };
  return hopOf(start('relay.publish', SpanKind.PRODUCER, contextAfter(change), {}, undefined, attributes), true);
}

/**
 * Tells that a change was fanned out.
 *
 * @param startedAt in milliseconds of `performance.now()`
 * @param deliveries that were planned
 */
export function noteFanOut(change: StatusChange, startedAt: number, deliveries: number): void {
  if (!tracer) return;
  const attributes = { ...attributesOf(change), 'rollcall.deliveries': deliveries };
  start('fan_out', SpanKind.CONSUMER, contextAfter(change), { spanId: fanOutSpanOf(change.id) }, startedAt, attributes).end();
}

/** Begins an attempt; the `traceparent` goes out with it. Each of a delivery's attempts is a child of the fan-out, whoever makes it. */
export function beginAttempt(change: TracedChange): Hop & { readonly traceparent: string } {
  const { id, traceparent } = change;
  if (!tracer) return { traceparent: traceparent ?? traceparentOf(id), end: UNTRACED.end };
  const parent = { ...traceOf(change), spanId: fanOutSpanOf(id) };
  return hopOf(start('delivery.attempt', SpanKind.CLIENT, contextOf(parent, id), {}), true);
}

/** Begins an attempt to tell a notice: a trace of its own, which follows from the notice's id. */
export function beginNoticeAttempt({ id }: TracedChange): Hop & { readonly traceparent: string } {
  if (!tracer) return { traceparent: traceparentOf(id), end: UNTRACED.end };
  return hopOf(start('notice.attempt', SpanKind.CLIENT, undefined, { traceId: ownTraceOf(id).traceId }), true);
}

/** The trace id of a change, for a log line: 32 hexadecimal digits. */
export function traceIdOf(change: TracedChange): string {
  return traceOf(change).traceId;
}

/** Of a batch, in one line. */
const MAX_TRACE_IDS = 10;

/** The trace ids of a batch's changes, for its log line; of a big batch the first ten. */
export function traceIdsOf<T>(changes: readonly T[], traced: (change: T) => TracedChange): string[] {
  return changes.slice(0, MAX_TRACE_IDS).map((change) => traceIdOf(traced(change)));
}

function traceOf({ id, traceparent }: TracedChange): TraceParent {
  return (traceparent === undefined ? undefined : parseTraceparent(traceparent)) ?? ownTraceOf(id);
}

function contextAfter(change: TracedChange): Context {
  return contextOf(traceOf(change), change.id);
}

/** The span id that a change's fan-out has: that of {@link ownTraceOf} with its first bit, which is set in every UUID, cleared. */
function fanOutSpanOf(changeId: string): string {
  const { spanId } = ownTraceOf(changeId);
  return (Number.parseInt(spanId[0]!, 16) & 7).toString(16) + spanId.slice(1);
}

/** @param changeId of the change that the span is about: its own trace is decided by this process's sampler, as if it began here */
function contextOf({ traceId, spanId, isSampled }: TraceParent, changeId?: string): Context {
  const traceFlags = isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
  const context = trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
  const isOwn = changeId !== undefined && traceId === ownTraceOf(changeId).traceId;
  return isOwn ? context.setValue(OWN_TRACE, true) : context;
}

/** @param ids those that follow from a change; others are drawn */
function start(
  name: string,
  kind: SpanKind,
  parent: Context | undefined,
  ids: typeof chosenIds,
  startTime?: number,
  attributes?: Attributes,
): Span {
  chosenIds.traceId = ids.traceId;
  chosenIds.spanId = ids.spanId;
  const span = tracer!.startSpan(
    name,
    { kind, ...(startTime !== undefined && { startTime }), ...(attributes && { attributes }) },
    parent ?? ROOT_CONTEXT,
  );
  chosenIds.traceId = undefined;
  chosenIds.spanId = undefined;
  return span;
}

function hopOf(span: Span, isHandedOn: true): Hop & { readonly traceparent: string };
function hopOf(span: Span, isHandedOn: boolean): Hop;
function hopOf(span: Span, isHandedOn: boolean): Hop {
  const { traceId, spanId, traceFlags } = span.spanContext();
  const isSampled = (traceFlags & TraceFlags.SAMPLED) !== 0;
  return {
    traceparent: isHandedOn ? formatTraceparent({ traceId, spanId, isSampled }) : undefined,
    end(tell) {
      if (!span.isRecording()) return;
      const { attributes = {}, error } = tell?.() ?? {};
      span.setAttributes(attributes);
      if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
      span.end();
    },
  };
}

/** What every span says of its change. */
function attributesOf({ id, clientId, agentId, sequence }: NamedChange): Attributes {
  return {
    'rollcall.change_id': id,
    'rollcall.client_id': clientId,
    'rollcall.agent_id': agentId,
    'rollcall.sequence': sequence,
  };
}

import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace as openTelemetry,
  TraceFlags,
  type Attributes,
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

/** Result of a hop. */
export interface HopEnd {
  readonly attributes: Attributes;
  /** What went wrong, in a word or two. */
  readonly error?: string | undefined;
}

/** A hop that is under way. One that is never ended makes no span: it came to nothing, or is done again. */
export interface Hop {
  /** Context for the next hop; undefined: the change's own. */
  readonly traceparent: string | undefined;
  /** @param tell what came of it; asked only where it is recorded */
  end(tell?: () => HopEnd): void;
}

/** A hop whose context goes out with a record or a request. */
export type SentHop = Hop & { readonly traceparent: string };

/** Ids that the next span has, where they follow from a change; without one they are drawn. */
export interface ChosenIds {
  traceId?: string | undefined;
  spanId?: string | undefined;
}

/** Tools that make spans. */
export interface Recording {
  /** Of an SDK that records every span, and takes its ids from {@link Recording.ids}. */
  readonly tracer: Tracer;
  readonly ids: ChosenIds;
  /** Whether a trace that begins here is recorded: the same for the same id, in every process that is set like this one. */
  readonly isRecorded: (traceId: string) => boolean;
  /** Whether a trace that somebody else began is recorded exactly if they record it. */
  readonly isParentBased: boolean;
}

/** Undefined while nothing is traced. */
let recording: Recording | undefined;

/** Switches on that hops make spans; undefined switches it off. */
export function recordWith(next: Recording | undefined): void {
  recording = next;
}

const nothing = (): void => undefined;
const UNTRACED: Hop = { traceparent: undefined, end: nothing };

/**
 * Begins to decide a report that changes an agent's status.
 *
 * @param caller `traceparent` as whoever reported it sent it
 */
export function beginDecide(change: NamedChange, caller: string | undefined): Hop {
  if (!recording && caller === undefined) return UNTRACED;
  const parent = caller === undefined ? undefined : parseTraceparent(caller);
  const own = ownTraceOf(change.id);
  if (!isRecorded(parent ?? own, !parent)) {
    // What follows from the change's id need not be written anywhere.
    return parent ? passedOn(parent) : UNTRACED;
  }
  const attributes = { ...attributesOf(change), 'rollcall.result': 'changed' };
  const hop = start('telemetry.decide', SpanKind.CONSUMER, parent, { ids: own, attributes });
  return parent ? hop : { ...hop, traceparent: undefined };
}

/** Makes the span of a report that changed nothing and that somebody traces. @param startedAt in milliseconds of `performance.now()` */
export function noteDecided(caller: string, startedAt: number, { clientId, agentId }: AgentKey, result: string): void {
  const parent = recording && parseTraceparent(caller);
  if (!parent || !isRecorded(parent, false)) return;
  const attributes = { 'rollcall.client_id': clientId, 'rollcall.agent_id': agentId, 'rollcall.result': result };
  start('telemetry.decide', SpanKind.CONSUMER, parent, { startedAt, attributes }).end();
}

/** Begins to publish a change. */
export function beginPublish(change: StatusChange, topic: string): SentHop {
  if (!recording) return { traceparent: change.traceparent ?? traceparentOf(change.id), end: nothing };
  const { parent, isOwn } = traceOf(change);
  if (!isRecorded(parent, isOwn)) return passedOn(parent);
  const attributes = { ...attributesOf(change), 'messaging.destination.name': topic, 'messaging.operation.type': 'send' };
  return start('relay.publish', SpanKind.PRODUCER, parent, { attributes });
}

/**
 * Makes the span of a fan-out that is done.
 *
 * @param startedAt in milliseconds of `performance.now()`
 * @param deliveries that were planned
 */
export function noteFanOut(change: StatusChange, startedAt: number, deliveries: number): void {
  if (!recording) return;
  const { parent, isOwn } = traceOf(change);
  if (!isRecorded(parent, isOwn)) return;
  const attributes = { ...attributesOf(change), 'rollcall.deliveries': deliveries };
  start('fan_out', SpanKind.CONSUMER, parent, { ids: { spanId: fanOutSpanOf(change.id) }, startedAt, attributes }).end();
}

/**
 * Returns the context from which a change's attempts continue: its fan-out, in whichever process that was. Whether they are recorded is
 * decided here, once for all of them, and is said by its flag.
 */
export function afterFanOut(change: TracedChange): string | undefined {
  if (!recording) return change.traceparent ?? undefined;
  const { parent, isOwn } = traceOf(change);
  if (!isRecorded(parent, isOwn)) return passedOn(parent).traceparent;
  return formatTraceparent({ traceId: parent.traceId, spanId: fanOutSpanOf(change.id), isSampled: true });
}

/** Begins an attempt, whose `traceparent` goes out with it. @param change with what {@link afterFanOut} says */
export function beginAttempt(change: TracedChange): SentHop {
  const { id, traceparent } = change;
  if (!recording) return { traceparent: traceparent ?? traceparentOf(id), end: nothing };
  const from = traceparent ?? afterFanOut(change)!;
  const parent = fieldsOf(from);
  return parent.isSampled ? start('delivery.attempt', SpanKind.CLIENT, parent, {}) : { traceparent: from, end: nothing };
}

/** Begins an attempt to tell a notice: a trace of its own, which follows from the notice's id. */
export function beginNoticeAttempt({ id }: TracedChange): SentHop {
  const own = ownTraceOf(id);
  if (!recording) return { traceparent: formatTraceparent(own), end: nothing };
  if (!isRecorded(own, true)) return passedOn(own);
  return start('notice.attempt', SpanKind.CLIENT, undefined, { ids: { traceId: own.traceId } });
}

/** Returns the trace id of a change, for a log line: 32 hexadecimal digits. */
export function traceIdOf(change: TracedChange): string {
  return traceOf(change).parent.traceId;
}

/** Most trace ids in one log line. */
const MAX_TRACE_IDS = 10;

/** Returns the trace ids of a batch's changes, for its log line; of a big batch the first ten. */
export function traceIdsOf<T>(changes: readonly T[], traced: (change: T) => TracedChange): string[] {
  return changes.slice(0, MAX_TRACE_IDS).map((change) => traceIdOf(traced(change)));
}

/** Returns the context of a change, and whether that is a trace of its own. */
function traceOf({ id, traceparent }: TracedChange): { readonly parent: TraceParent; readonly isOwn: boolean } {
  if (!traceparent) return { parent: ownTraceOf(id), isOwn: true };
  const parent = fieldsOf(traceparent);
  return { parent, isOwn: isTraceOf(parent.traceId, id) };
}

/** Takes a context of a change apart; it was checked when it came, so each field has its place. */
function fieldsOf(traceparent: string): TraceParent {
  return { traceId: traceparent.slice(3, 35), spanId: traceparent.slice(36, 52), isSampled: traceparent.endsWith('1') };
}

/** Tells whether a trace is the change's own; called for every change, so it makes no string. */
function isTraceOf(traceId: string, changeId: string): boolean {
  return (
    traceId.startsWith(changeId.slice(0, 8)) &&
    traceId.startsWith(changeId.slice(9, 13), 8) &&
    traceId.startsWith(changeId.slice(14, 18), 12) &&
    traceId.startsWith(changeId.slice(19, 23), 16) &&
    traceId.startsWith(changeId.slice(24), 20)
  );
}

/** A change's own trace is judged by its id, as if it began here: so processes agree, also where one of them traces and another does not. */
function isRecorded({ traceId, isSampled }: TraceParent, isOwn: boolean): boolean {
  if (!recording) return false;
  return recording.isParentBased && !isOwn ? isSampled : recording.isRecorded(traceId);
}

/** Makes a hop that is not recorded: the next one continues from what came. */
function passedOn(parent: TraceParent): SentHop {
  return { traceparent: formatTraceparent(recording ? { ...parent, isSampled: false } : parent), end: nothing };
}

/** The span id that a change's fan-out has: that of {@link ownTraceOf} with its first bit, which is set in every UUID, cleared. */
function fanOutSpanOf(changeId: string): string {
  const { spanId } = ownTraceOf(changeId);
  return (Number.parseInt(spanId[0]!, 16) & 7).toString(16) + spanId.slice(1);
}

interface SpanStart {
  /** Those that follow from a change. */
  readonly ids?: ChosenIds;
  /** In milliseconds of `performance.now()`; undefined: now. */
  readonly startedAt?: number;
  readonly attributes?: Attributes;
}

/** @param parent undefined: the first span of its trace */
function start(
  name: string,
  kind: SpanKind,
  parent: TraceParent | undefined,
  { ids = {}, startedAt, attributes = {} }: SpanStart,
): SentHop {
  const { tracer, ids: next } = recording!;
  const context = parent
    ? openTelemetry.setSpanContext(ROOT_CONTEXT, { ...parent, traceFlags: TraceFlags.SAMPLED, isRemote: true })
    : ROOT_CONTEXT;
  next.traceId = ids.traceId;
  next.spanId = ids.spanId;
  const span = tracer.startSpan(name, { kind, attributes, ...(startedAt !== undefined && { startTime: startedAt }) }, context);
  next.traceId = undefined;
  next.spanId = undefined;
  const { traceId, spanId } = span.spanContext();
  return {
    traceparent: formatTraceparent({ traceId, spanId, isSampled: true }),
    end(tell) {
      const told = tell?.();
      if (told) span.setAttributes(told.attributes);
      if (told?.error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: told.error });
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

/** A W3C trace context, taken apart. */
export interface TraceParent {
  /** 32 small hexadecimal digits, not all zero. */
  readonly traceId: string;
  /** 16 small hexadecimal digits, not all zero. */
  readonly spanId: string;
  /** Whether whoever sent it recorded its span, and asks others to. */
  readonly isSampled: boolean;
}

/** Of later versions, what follows the flags is passed over: W3C Trace Context, "Versioning of traceparent". */
const TRACEPARENT = /^([\da-f]{2})-((?!0{32})[\da-f]{32})-((?!0{16})[\da-f]{16})-([\da-f]{2})(-.*)?$/;

/** Reads a `traceparent` as somebody sent it; undefined where it is none, which is no error: a trace begins anew. */
export function parseTraceparent(text: string): TraceParent | undefined {
  const [, version, traceId, spanId, flags, more] = TRACEPARENT.exec(text.trim()) ?? [];
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  return { traceId: traceId!, spanId: spanId!, isSampled: (Number.parseInt(flags!, 16) & 1) === 1 };
}

/** As {@link formatTraceparent} writes it. */
const FORMATTED = /^00-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-0[01]$/;

/** Returns a `traceparent` as it is handed on; undefined where what somebody sent is none. Nearly all are our own, and stay as they are. */
export function cleanTraceparent(text: string | undefined): string | undefined {
  if (text === undefined || FORMATTED.test(text)) return text;
  const read = parseTraceparent(text);
  return read && formatTraceparent(read);
}

/** Writes a `traceparent`. */
export function formatTraceparent({ traceId, spanId, isSampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
}

/**
 * Returns the trace that a change has by itself, where whoever reported it named none: contract §5 and §6. Its ids follow from the
 * change's, so that every process finds the same trace, also after a crash, and a delivery's trace is found by its `webhook-id`.
 *
 * @param changeId UUIDv7
 */
export function ownTraceOf(changeId: string): TraceParent {
  const traceId = changeId.replaceAll('-', '').toLowerCase();
  return { traceId, spanId: traceId.slice(16), isSampled: true };
}

/**
 * Writes out the W3C trace context of a change that nobody traces: {@link ownTraceOf}.
 *
 * @param changeId UUIDv7
 */
export function traceparentOf(changeId: string): string {
  return formatTraceparent(ownTraceOf(changeId));
}

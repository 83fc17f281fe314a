import type { IncomingHttpHeaders } from 'node:http';
import { parseTraceparent } from '#contracts';

/** Reads the trace that a request says it is part of, for its log lines; nothing where it names none. */
export function traceOfRequest({ headers }: { readonly headers: IncomingHttpHeaders }): { readonly trace_id?: string } {
  const { traceparent } = headers;
  const parent = typeof traceparent === 'string' ? parseTraceparent(traceparent) : undefined;
  return parent ? { trace_id: parent.traceId } : {};
}

import type { Outcome } from '../attempt/delivery.js';
import type { Verdict } from '../attempt/retry-policy.js';
import type { AttemptRecord } from './agent-work.js';

/** What is to be recorded of an attempt that was made. */
export function attemptRecord(
  agentEventId: number,
  changeId: string,
  { attempt, attemptedAt, result }: Outcome & { readonly kind: 'attempted' },
  verdict: Verdict,
): AttemptRecord {
  return {
    agentEventId,
    changeId,
    attempt,
    attemptedAt,
    latencyMs: result.latencyMs,
    outcome: verdict.kind === 'gone' ? 'retry' : verdict.kind,
    ...('status' in result
      ? { httpStatus: result.status, error: null, response: result.body }
      : { httpStatus: null, error: result.error, response: null }),
  };
}

/** What is to be recorded of a delivery that ends without an attempt. */
export function unsentRecord(
  agentEventId: number,
  changeId: string,
  attempt: number,
  outcome: 'failed' | 'dropped',
  error: string,
): AttemptRecord {
  return { agentEventId, changeId, attempt, attemptedAt: new Date(), latencyMs: 0, outcome, httpStatus: null, error, response: null };
}

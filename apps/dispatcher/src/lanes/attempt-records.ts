import type { Read } from '../attempt/batched-cache.js';
import type { DueDelivery, Endpoint, SendOutcome } from '../attempt/delivery.js';
import type { Verdict } from '../attempt/retry-policy.js';
import type { AgentWork, AttemptRecord, Change } from './agent-work.js';
import type { ShardLeases } from './shard-leases.js';

/** Builds the record of an attempt. */
export function attemptRecord(
  agentEventId: number,
  changeId: string,
  { attempt, attemptedAt, result }: SendOutcome & { readonly kind: 'attempted' },
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

/** Builds the record of a delivery that ends without an attempt. */
export function unsentRecord(
  agentEventId: number,
  changeId: string,
  attempt: number,
  outcome: 'failed' | 'dropped',
  error: string,
): AttemptRecord {
  return {
    agentEventId,
    changeId,
    attempt,
    attemptedAt: new Date(),
    latencyMs: 0,
    outcome,
    httpStatus: null,
    error,
    response: null,
  };
}

/** The column's type ends there. */
const MAX_STORED_ATTEMPT = 32_767;

/** Replaces a record that the database refuses by one that ends the delivery, visibly. */
export function unstorable<R extends AttemptFacts>(record: R): R {
  return {
    ...record,
    attempt: Math.min(record.attempt, MAX_STORED_ATTEMPT),
    latencyMs: 0,
    outcome: 'failed',
    httpStatus: null,
    error: 'the result could not be stored',
    response: null,
  };
}

type AttemptFacts = Pick<AttemptRecord, 'attempt' | 'latencyMs' | 'httpStatus' | 'error' | 'response'> & {
  readonly outcome: string;
};

/** Parts of a delivery that is to be attempted. */
export interface DeliveryOf {
  readonly agentEventId: number;
  readonly change: Change;
  /** Made before. */
  readonly attempts: number;
  /** Of an agent event that is there. */
  readonly endpoint: Read<Endpoint | undefined>;
  readonly leases: Pick<ShardLeases, 'startBy'>;
  readonly onSlow: (() => void) | undefined;
}

/** Makes the delivery that is attempted. `startBy` is a getter, since the lease is renewed meanwhile. */
export function deliveryOf(
  agent: AgentWork,
  { agentEventId, change, attempts, endpoint, leases, onSlow }: DeliveryOf,
): DueDelivery {
  return {
    changeId: change.id,
    clientId: agent.clientId,
    agentEventId,
    sequence: change.sequence,
    change,
    attemptsBefore: attempts,
    isRetry: attempts > 0,
    endpoint: { value: endpoint.value!, readAt: endpoint.readAt },
    onSlow,
    get startBy() {
      return Math.min(change.expiresAt, leases.startBy(agent.lease));
    },
  };
}

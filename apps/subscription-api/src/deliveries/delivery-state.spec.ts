import { describe, expect, it } from 'vitest';
import { deliveryStateOf, type BehindFacts, type DeliveryFacts } from './delivery-state.js';

const WINDOW_MS = 86_400_000;
const at = (hour: number): Date => new Date(Date.UTC(2026, 10, 22, hour));
const BEHIND: BehindFacts = {
  nextSequence: 5,
  attempts: 0,
  dueAt: at(11),
  isOut: false,
  isHead: true,
  headId: 'head_7',
  headExpiresAt: at(20),
  blockedBy: undefined,
  since: at(10),
};
const FACTS: DeliveryFacts = {
  sequence: 5,
  changedAt: at(9).getTime(),
  cursor: 9,
  matches: true,
  lastOutcome: undefined,
  wasDelivered: false,
  behind: undefined,
  redelivery: undefined,
  suspendedAt: undefined,
  suspendedBy: undefined,
  originSince: undefined,
};
const state = (facts: Partial<DeliveryFacts>) => deliveryStateOf({ ...FACTS, ...facts }, WINDOW_MS);
const DUE = { reason: 'due', since: at(10) };

describe('a delivery', () => {
  it('is being sent where it is ahead of what was planned', () => {
    const expiresAt = new Date(at(9).getTime() + WINDOW_MS);
    expect(state({ cursor: 4 })).toMatchObject({ status: 'sending', waitingFor: undefined, nextAttemptAt: undefined, expiresAt });
    expect(state({ cursor: 4, matches: false })).toBeUndefined();
    expect(state({ cursor: 9 })).toBeUndefined();
  });

  it('is being sent where it fell behind while its request is out, and what comes after it waits for it', () => {
    const behind = { ...BEHIND, isOut: true };
    const sending = { status: 'sending', waitingFor: undefined, nextAttemptAt: undefined, expiresAt: at(20) };
    expect(state({ behind })).toMatchObject(sending);
    expect(state({ behind, suspendedAt: at(10), originSince: at(8) })).toMatchObject(sending);
    expect(state({ sequence: 7, behind: { ...behind, isHead: false } })).toMatchObject({
      status: 'waiting',
      waitingFor: { reason: 'earlier', deliveryId: 'head_7' },
    });
  });

  it.each(['delivered', 'failed', 'dropped'] as const)('that was %s is finished', (lastOutcome) => {
    const finished = {
      status: lastOutcome,
      resending: false,
      waitingFor: undefined,
      nextAttemptAt: undefined,
      expiresAt: undefined,
    };
    expect(state({ lastOutcome })).toEqual(finished);
    expect(state({ lastOutcome, sequence: undefined, changedAt: undefined })).toEqual(finished);
    // Delivered ahead of the cursor, and beside a row that has not got there yet.
    expect(state({ lastOutcome, cursor: 4, behind: { ...BEHIND, isHead: false, nextSequence: 3 } })).toEqual(finished);
  });

  it('waits or is tried again, until it is due', () => {
    expect(state({ behind: BEHIND })).toMatchObject({
      status: 'waiting',
      waitingFor: DUE,
      nextAttemptAt: at(11),
      expiresAt: at(20),
    });
    expect(state({ behind: { ...BEHIND, attempts: 2 }, lastOutcome: 'retry' })).toMatchObject({
      status: 'retrying',
      waitingFor: DUE,
    });
  });

  it('says that its origin is not sent to', () => {
    const waitingFor = { reason: 'origin', since: at(8) };
    expect(state({ behind: { ...BEHIND, attempts: 1 }, originSince: at(8) })).toMatchObject({
      status: 'retrying',
      waitingFor,
      nextAttemptAt: at(11),
    });
  });

  it('says behind which one it waits: of its own agent event, or of another one at the same url', () => {
    expect(state({ sequence: 7, behind: { ...BEHIND, isHead: false, attempts: 3 } })).toMatchObject({
      status: 'waiting',
      waitingFor: { reason: 'earlier', deliveryId: 'head_7' },
      nextAttemptAt: undefined,
    });
    expect(state({ behind: { ...BEHIND, dueAt: undefined, blockedBy: 'other_8' } })).toMatchObject({
      status: 'waiting',
      waitingFor: { reason: 'earlier', deliveryId: 'other_8' },
    });
  });

  it('is suspended with its agent event, whatever it was before', () => {
    const suspendedAt = at(7);
    const suspendedBy = 'gone';
    for (const behind of [BEHIND, { ...BEHIND, attempts: 4 }, { ...BEHIND, isHead: false }]) {
      expect(state({ behind, suspendedAt, suspendedBy, originSince: at(8) })).toMatchObject({
        status: 'suspended',
        waitingFor: { reason: 'suspended', since: suspendedAt, by: suspendedBy },
        nextAttemptAt: undefined,
      });
    }
  });

  it('stays delivered while it is sent again', () => {
    const redelivery = { attempts: 1, dueAt: at(12), expiresAt: at(23), headId: undefined };
    for (const lastOutcome of ['delivered', 'retry'] as const)
      expect(state({ lastOutcome, wasDelivered: true, redelivery })).toMatchObject({
        status: 'delivered',
        resending: true,
        nextAttemptAt: at(12),
      });
    expect(state({ lastOutcome: 'failed', redelivery })).toMatchObject({
      status: 'retrying',
      resending: false,
      expiresAt: at(23),
    });
    expect(state({ lastOutcome: 'retry', redelivery })).toMatchObject({ status: 'retrying' });
    expect(state({ lastOutcome: 'retry', wasDelivered: true, redelivery })).toMatchObject({
      status: 'delivered',
      resending: true,
    });
    expect(state({ lastOutcome: 'failed', wasDelivered: true })).toMatchObject({ status: 'delivered', resending: false });
    expect(state({ lastOutcome: 'dropped', redelivery: { ...redelivery, attempts: 0 } })).toMatchObject({ status: 'waiting' });
    expect(state({ lastOutcome: 'failed', redelivery, suspendedAt: at(1) })).toMatchObject({
      status: 'suspended',
      nextAttemptAt: undefined,
    });
  });

  it('waits for an earlier one of the agent that is sent again too', () => {
    const redelivery = { attempts: 0, dueAt: at(12), expiresAt: at(23), headId: 'first_7' };
    const waitingFor = { reason: 'earlier', deliveryId: 'first_7' };
    const waiting = { waitingFor, nextAttemptAt: undefined, expiresAt: at(23) };
    expect(state({ lastOutcome: 'failed', redelivery, originSince: at(8) })).toMatchObject({ ...waiting, status: 'waiting' });
    expect(state({ lastOutcome: 'delivered', wasDelivered: true, redelivery })).toMatchObject({
      ...waiting,
      status: 'delivered',
      resending: true,
    });
    expect(state({ lastOutcome: 'failed', redelivery, suspendedAt: at(1) })?.waitingFor).toMatchObject({ reason: 'suspended' });
  });

  it('is dropped where nobody tries again', () => {
    expect(state({ lastOutcome: 'retry' })).toMatchObject({ status: 'dropped' });
  });

  it('is none beyond what a row holds', () => {
    expect(state({ sequence: 4, behind: { ...BEHIND, isHead: false } })).toBeUndefined();
    expect(state({ sequence: 7, behind: { ...BEHIND, isHead: false }, matches: false })).toBeUndefined();
  });
});

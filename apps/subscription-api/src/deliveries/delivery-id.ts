import { parseDeliveryId } from '#webhook';

/**
 * Reads the id of a delivery of an agent event.
 *
 * @returns the change's id; undefined when the text is no delivery of that agent event
 */
export function changeIdOf(deliveryId: string, agentEventId: number): string | undefined {
  const key = parseDeliveryId(deliveryId);
  return key?.agentEventId === agentEventId ? key.changeId : undefined;
}

/** Reads the time in a change's id, in milliseconds since the epoch. */
export function timeOf(changeId: string): number {
  return parseInt(changeId.slice(0, 8) + changeId.slice(9, 13), 16);
}

/** Makes the lowest id that a change of a time can have, in milliseconds since the epoch. */
export function firstChangeIdOf(ms: number): string {
  const time = Math.min(Math.max(ms, 0), 0xffffffffffff).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000000`;
}

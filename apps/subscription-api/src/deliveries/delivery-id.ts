import { parseId } from '#contracts';
import type { DeliveryKey } from './delivery-facts.repository.js';

/** What a delivery's id looks like. */
export const DELIVERY_ID_PATTERN = '^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_([0-9]{1,10})$';
const DELIVERY_ID = new RegExp(DELIVERY_ID_PATTERN);

/**
 * Reads a delivery's id, which is its change's and its agent event's.
 *
 * @returns undefined when the text is no delivery's id
 */
export function parseDeliveryId(text: string): DeliveryKey | undefined {
  const match = DELIVERY_ID.exec(text);
  const agentEventId = match ? parseId(match[2]!) : undefined;
  return agentEventId === undefined ? undefined : { changeId: match![1]!, agentEventId };
}

/**
 * Reads the id of a delivery of an agent event.
 *
 * @returns the change's id; undefined when the text is no delivery of that agent event
 */
export function changeIdOf(deliveryId: string, agentEventId: number): string | undefined {
  const key = parseDeliveryId(deliveryId);
  return key?.agentEventId === agentEventId ? key.changeId : undefined;
}

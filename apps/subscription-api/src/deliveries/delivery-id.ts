const DELIVERY_ID = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})_(\d{1,10})$/;

/**
 * Reads a delivery's id, which is its change's and its agent event's.
 *
 * @returns the change's id; undefined when the text is no delivery of that agent event
 */
export function changeIdOf(deliveryId: string, agentEventId: number): string | undefined {
  const match = DELIVERY_ID.exec(deliveryId);
  return match && Number(match[2]) === agentEventId ? match[1] : undefined;
}

/**
 * The W3C trace context of a change: contract §5 and §6. Made of the change's own id, so that it is the same when a crash makes
 * the change be published twice, and so that a delivery's trace can be found by its change.
 *
 * @param changeId UUIDv7
 */
export function traceparentOf(changeId: string): string {
  const hex = changeId.replaceAll('-', '');
  return `00-${hex}-${hex.slice(16)}-01`;
}

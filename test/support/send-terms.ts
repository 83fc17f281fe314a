import type { SendTerms } from '#webhook';

/** Makes the terms for one attempt of client 12's that begins now and may take what time it needs until it is sent. */
export function atOnce(): SendTerms {
  return { clientId: 12, startedAt: performance.now(), sendBy: Infinity };
}

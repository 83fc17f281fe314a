import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { beforeAnswer } from './answer-hooks.js';

/** How long a browser may go by what a preflight said, in seconds. */
const MAX_AGE_S = 600;
const ANY_ORIGIN = '*';

/**
 * Allows pages of other origins to call from a browser and to read every answer, errors too. No credentials of the browser, such
 * as cookies, are involved: pages send their token themselves. Preflights are answered by the OPTIONS handler.
 *
 * @param origins as browsers name them, or `*`; empty: none, and answers are as if there were no browsers
 */
export function allowOrigins(instance: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return;
  const isAny = origins.includes(ANY_ORIGIN);
  beforeAnswer(instance, (request, reply) => {
    if (!isAny) reply.header('vary', 'Origin');
    const { origin } = request.headers;
    if (origin === undefined || (!isAny && !origins.includes(origin))) return;
    reply.header('access-control-allow-origin', isAny ? ANY_ORIGIN : origin).header('access-control-expose-headers', '*');
    if (request.method === 'OPTIONS') answerPreflight(request, reply);
  });
}

function answerPreflight({ headers }: FastifyRequest, reply: FastifyReply): void {
  if (headers['access-control-request-method'] === undefined) return;
  const asked = headers['access-control-request-headers'];
  reply
    .header('access-control-allow-methods', String(reply.getHeader('allow') ?? ''))
    .header('access-control-max-age', MAX_AGE_S);
  if (asked !== undefined) reply.header('access-control-allow-headers', asked);
}

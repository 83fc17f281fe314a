import type { FastifyInstance, FastifyReply } from 'fastify';
import { beforeAnswer } from './before-answer.js';

const API_POLICY = "default-src 'none'; frame-ancestors 'none'";
/** The pages bring their own scripts and nothing from elsewhere; Swagger UI styles its elements inline. */
const PAGE_POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'self'; form-action 'self'";

/** Headers that keep browsers from guessing types, framing pages, and keeping what an API answered. */
export function registerSecurityHeaders(instance: FastifyInstance): void {
  beforeAnswer(instance, (_request, reply) => setSecurityHeaders(reply));
}

function setSecurityHeaders(reply: FastifyReply): void {
  const isPage = String(reply.getHeader('content-type') ?? '').startsWith('text/html');
  reply.header('x-content-type-options', 'nosniff');
  reply.header('referrer-policy', 'no-referrer');
  // A page that needs less than others says so itself.
  if (!reply.hasHeader('content-security-policy')) reply.header('content-security-policy', isPage ? PAGE_POLICY : API_POLICY);
  if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
}

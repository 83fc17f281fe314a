import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

const API_POLICY = "default-src 'none'; frame-ancestors 'none'";
/** The pages bring their own scripts and nothing from elsewhere; Swagger UI styles its elements inline. */
const PAGE_POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'self'; form-action 'self'";

/** Looks at an answer that is about to be sent; may add headers. Must not throw. */
export type AnswerHook = (request: FastifyRequest, reply: FastifyReply) => void | Promise<void>;

const hooks = new WeakMap<FastifyInstance, AnswerHook[]>();

/** Adds a hook that every answer passes, also those to URLs that the router cannot read, which Fastify's own hooks never see. */
export function beforeAnswer(instance: FastifyInstance, hook: AnswerHook): void {
  const known = hooks.get(instance);
  if (known) known.push(hook);
  else hooks.set(instance, [hook]);
  instance.addHook('onSend', (request, reply, payload, done) => {
    const pending = hook(request, reply);
    if (pending) pending.then(() => done(null, payload), done);
    else done(null, payload);
  });
}

/** Runs the hooks for an answer that Fastify sends without its own. */
export async function runAnswerHooks(instance: FastifyInstance, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  for (const hook of hooks.get(instance) ?? []) await hook(request, reply);
}

/** Adds the headers that keep browsers from guessing types, framing pages, and keeping what an API answered. */
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

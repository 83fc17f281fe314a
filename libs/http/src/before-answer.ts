import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** Looks at an answer that is about to be sent; may add headers. Must not throw. */
export type AnswerHook = (request: FastifyRequest, reply: FastifyReply) => void | Promise<void>;

const hooks = new WeakMap<FastifyInstance, AnswerHook[]>();

/** Has every answer pass a hook, also those to URLs that the router cannot read, which Fastify's own hooks never see. */
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

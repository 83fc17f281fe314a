import { NotificationError, verifyNotification } from './index.js';

/** A Fastify plugin; described in fastify.d.ts. */
export async function rollcallReceiver(instance, { secret, onNotification, path = '/' }) {
  // In this plugin alone: the rest of the application keeps its parsers.
  instance.removeAllContentTypeParsers();
  instance.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  instance.route({
    method: ['GET', 'POST'],
    url: path,
    exposeHeadRoute: false,
    handler: async (request, reply) => {
      const { method, headers, body } = request;
      let notification;
      try {
        notification = verifyNotification({ method, url: request.raw.url, headers, body: body ?? '' }, secret);
      } catch (error) {
        if (!(error instanceof NotificationError)) throw error;
        return reply.code(error.httpStatus).type('text/plain').send(`${error.message}\n`);
      }
      await onNotification(notification, request.raw);
      return reply.code(204).send();
    },
  });
}

import { Webhook, WebhookVerificationError } from 'standardwebhooks';

/** Longest body that is read, in bytes; a notification has less than 2 KiB. */
const MAX_BODY_BYTES = 64 * 1024;

/** A request that is no notification of Rollcall's, or was altered on its way. Answer `httpStatus`. */
export class NotificationError extends Error {
  name = 'NotificationError';

  constructor(message, httpStatus, options) {
    super(message, options);
    this.httpStatus = httpStatus;
  }
}

/** Verifies a request and reads the notification that it is; described in index.d.ts. */
export function verifyNotification({ method, url, headers, body }, secret) {
  const payload = method === 'GET' ? pairsOfQuery(url) : textOf(body);
  const one = (name) => {
    const value = headers[name];
    if (typeof value !== 'string' || value === '') throw new NotificationError(`the header ${name} is missing`, 401);
    return value;
  };
  const signed = Object.fromEntries(['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => [name, one(name)]));
  try {
    new Webhook(secret).verify(payload, signed, { jsonParse: false });
  } catch (error) {
    if (error instanceof WebhookVerificationError) throw new NotificationError(error.message, 401, { cause: error });
    throw error;
  }
  const pairs = new URLSearchParams(payload);
  const type = pairs.get('agent_type');
  return {
    id: signed['webhook-id'],
    attempt: Number(one('webhook-attempt')),
    sequence: Number(one('webhook-sequence')),
    occurredAt: new Date(one('webhook-event-time')),
    isTest: headers['webhook-test'] === '1',
    agentId: Number(pairs.get('agent_id')),
    agentType: type,
    agentStatus: pairs.get('agent_status'),
    eventSource: pairs.get('event_source'),
    name: pairs.get(type === 'local' ? 'extension_name' : 'agent_number'),
  };
}

/** Makes a handler for Node's own server and for Express; described in index.d.ts. */
export function notificationHandler({ secret, onNotification, onError = reportError }) {
  return async (request, response) => {
    try {
      const { method, headers } = request;
      if (method !== 'GET' && method !== 'POST') return void response.writeHead(405, { allow: 'GET, POST' }).end();
      const body = method === 'POST' ? await rawBodyOf(request) : undefined;
      // Express cuts its mount path off `url`; the query is the same.
      await onNotification(verifyNotification({ method, url: request.url, headers, body }, secret), request);
      response.writeHead(204).end();
    } catch (error) {
      const status = error instanceof NotificationError ? error.httpStatus : 500;
      if (status === 500) onError(error);
      if (!response.headersSent)
        response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(messageOf(status, error));
    }
  };
}

/** What goes wrong on our side is not told to whoever asks. */
function messageOf(status, error) {
  return status === 500 ? 'The notification could not be taken\n' : `${error.message}\n`;
}

function reportError(error) {
  console.error(error);
}

/** The pairs as they were signed: the end of the query, from its last `agent_status=` on, byte for byte. */
function pairsOfQuery(url) {
  const start = Math.max(url.lastIndexOf('?agent_status='), url.lastIndexOf('&agent_status='));
  if (start < 0) throw new NotificationError('the query has no agent_status', 400);
  return url.slice(start + 1);
}

function textOf(body) {
  if (typeof body === 'string') return body;
  if (Buffer.isBuffer(body)) return body.toString('utf8');
  throw new NotificationError('the raw body is needed', 500);
}

/** The body as it came, whether or not something in front has read it. */
async function rawBodyOf(request) {
  for (const read of [request.rawBody, request.body]) if (typeof read === 'string' || Buffer.isBuffer(read)) return read;
  if (request.readableEnded) {
    throw new Error(
      'the body was parsed before: put the notification handler in front of express.urlencoded(), or use express.raw()',
    );
  }
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new NotificationError('the body is too large', 413);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';
import pg from 'pg';
import { serve } from '../lab/child.js';

/** Bare Fastify routes: one that parses and validates telemetry, and the agent events' statements over pg, without a token. */
export interface Routes {
  readonly databaseUrl: string;
  readonly poolSize: number;
}

const ITEM = {
  type: 'object',
  required: ['client_id', 'agent_type', 'agent_id', 'agent_status', 'event_source'],
  properties: {
    client_id: { type: 'string', pattern: '^\\d{1,10}$' },
    agent_type: { enum: ['local', 'remote'] },
    agent_id: { type: 'integer', minimum: 0, maximum: 4_294_967_295 },
    agent_status: { enum: ['available', 'logged_out'] },
    event_source: { enum: ['api', 'phone'] },
    extension_name: { type: 'string', minLength: 1, maxLength: 255 },
    agent_number: { type: 'string', minLength: 1, maxLength: 255 },
    occurred_at: { type: 'string', format: 'date-time' },
  },
} as const;

const EVENT = {
  type: 'object',
  required: ['url', 'event_type', 'method'],
  properties: {
    url: { type: 'string', maxLength: 2048 },
    event_type: { enum: ['agent-login', 'agent-logout'] },
    method: { enum: ['GET', 'POST'] },
  },
} as const;

interface EventParams {
  client: string;
  agent: string;
  event: string;
}

serve<Routes>(async ({ databaseUrl, poolSize }) => {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: poolSize });
  const app = Fastify();
  app.post(
    '/telemetry',
    { schema: { body: { type: 'array', maxItems: 1000, items: ITEM } }, bodyLimit: 4 * 1024 * 1024 },
    (request) => (request.body as unknown[]).map(() => ({ result: 'unchanged', sequence: 1 })),
  );
  app.get<{ Params: EventParams }>('/client/:client/agent/local/:agent/event/:event', async ({ params }) => {
    const { rows } = await pool.query<Record<string, unknown>>({
      name: 'get_event',
      text: `select url, id::double precision as id, method, event_type from subscription.agent_event
             where client_id = $1 and agent_id = $2 and agent_type = 'local' and until_sequence is null and id = $3`,
      values: [params.client, params.agent, params.event],
    });
    return rows[0];
  });
  app.post<{ Params: EventParams; Body: Record<string, string> }>(
    '/client/:client/agent/local/:agent/event/',
    { schema: { body: EVENT } },
    async ({ params, body }, reply) => {
      const { rows } = await pool.query<Record<string, unknown>>({
        name: 'post_event',
        text: `with used as (
                 update subscription.client_usage set agent_event_used = agent_event_used + 1
                 where client_id = $1 and agent_event_used < 100000000 returning client_id)
               insert into subscription.agent_event (client_id, application_id, agent_id, agent_type, url, method, event_type, after_sequence)
               select a.client_id, 1, a.agent_id, a.agent_type, $3, $4, $5, a.sequence
               from presence.agent a, used
               where a.client_id = $1 and a.agent_id = $2 and a.agent_type = 'local' and a.deleted_at is null
               returning url, id::double precision as id, method, event_type`,
        values: [params.client, params.agent, body['url'], body['method'], body['event_type']],
      });
      void reply.code(201);
      return rows[0];
    },
  );
  await app.listen({ host: '127.0.0.1', port: 0 });
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
});

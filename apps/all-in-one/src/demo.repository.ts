import pg from 'pg';
import type { DEMO_AGENT } from './demo.js';

/** Adds the seed's agent, logged out, unless it is there: a restart must not undo what happened to it. */
export async function addDemoAgent(databaseUrl: string, agent: typeof DEMO_AGENT): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(
      `select presence.put_agent($1, $2, $3, $4)
       where not exists (select from presence.agent where client_id = $1 and agent_id = $3)`,
      [agent.clientId, agent.agentType, agent.agentId, agent.name],
    );
  } finally {
    await client.end();
  }
}

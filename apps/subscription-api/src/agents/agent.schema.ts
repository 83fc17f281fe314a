import { z } from 'zod';
import { AGENT_STATUSES, nameFieldOf, type AgentStatus, type AgentType } from '#contracts';

/** An agent as the REST API shows it: contract §3. */
export interface AgentView {
  readonly id: number;
  readonly agent_type: AgentType;
  readonly extension_name?: string;
  readonly agent_number?: string;
  readonly agent_status: AgentStatus;
  readonly status_since: string;
  readonly sequence: number;
}

/** What an agent is shown by. */
export interface ShownAgent {
  readonly id: number;
  readonly agentType: AgentType;
  readonly name: string;
  readonly agentStatus: AgentStatus;
  readonly statusSince: Date;
  readonly sequence: number;
}

export function agentViewOf({ id, agentType, name, agentStatus, statusSince, sequence }: ShownAgent): AgentView {
  return {
    id,
    agent_type: agentType,
    [nameFieldOf(agentType)]: name,
    agent_status: agentStatus,
    status_since: statusSince.toISOString(),
    sequence,
  };
}

const common = {
  agent_status: z.enum(AGENT_STATUSES),
  status_since: z.iso.datetime().meta({ example: '2026-11-22T10:00:00.123Z' }),
  sequence: z.number().int().meta({ description: 'Counts the status changes from 1', example: 42 }),
};

const id = z.number().int().meta({ example: 136 });

const localAgentSchema = z.object({
  id,
  agent_type: z.literal('local'),
  extension_name: z.string().meta({ example: '000*094@ringme.ru' }),
  ...common,
});
const remoteAgentSchema = z.object({
  id,
  agent_type: z.literal('remote'),
  agent_number: z.string().meta({ example: '+74951234567' }),
  ...common,
});

export const agentSchema = z.union([localAgentSchema, remoteAgentSchema]).meta({ id: 'Agent' });

/** Builds the schema of an agent with more keys. Not as an intersection, which code generators cannot read. */
export function agentSchemaWith<T extends z.ZodRawShape>(keys: T) {
  return z.union([localAgentSchema.safeExtend(keys), remoteAgentSchema.safeExtend(keys)]);
}

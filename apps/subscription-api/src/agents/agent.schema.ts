import { z } from 'zod';
import {
  AGENT_STATUSES,
  MAX_NAME_LENGTH,
  NAME_PATTERN,
  nameFieldOf,
  nameSchema,
  type AgentStatus,
  type AgentType,
} from '#contracts';
import { ApiError } from '#http';

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

export function viewOf({ id, agentType, name, agentStatus, statusSince, sequence }: ShownAgent): AgentView {
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

/** An agent beside other keys; no intersection, of which generators make nothing. */
export function agentSchemaWith<T extends z.ZodRawShape>(keys: T) {
  return z.union([localAgentSchema.safeExtend(keys), remoteAgentSchema.safeExtend(keys)]);
}

/** Looked at in {@link nameOf}, when it is known which of the two is meant; the other one, whatever it is, is not. */
const nameJson = z.unknown().optional();
const describedName = { type: 'string', minLength: 1, maxLength: MAX_NAME_LENGTH, pattern: NAME_PATTERN };

/** The body of a PUT; which of the two is read depends on the agent's type. */
export const agentNameSchema = z
  .object({ extension_name: nameJson, agent_number: nameJson }, { error: 'must be a JSON object' })
  .meta({
    id: 'AgentName',
    description: '`extension_name` at `/agent/local/…`, `agent_number` at `/agent/remote/…`; other keys are not read',
    properties: undefined,
    anyOf: [
      { type: 'object', title: 'LocalAgentName', required: ['extension_name'], properties: { extension_name: describedName } },
      { type: 'object', title: 'RemoteAgentName', required: ['agent_number'], properties: { agent_number: describedName } },
    ],
    examples: [{ extension_name: '000*094@ringme.ru' }],
  });

/**
 * Reads the name that an agent of this type needs.
 *
 * @throws ApiError that says what is wrong with it
 */
export function nameOf(type: AgentType, body: z.output<typeof agentNameSchema>): string {
  const field = nameFieldOf(type);
  if (body[field] === undefined) throw ApiError.invalid(field, 'is required');
  const parsed = nameSchema.safeParse(body[field]);
  if (!parsed.success)
    throw new ApiError('validation_error', 'The request is not valid', {
      errors: { [field]: parsed.error.issues.map(({ message }) => message) },
    });
  return parsed.data;
}

import { z } from 'zod';
import { MAX_NAME_LENGTH, NAME_PATTERN, nameFieldOf, nameSchema, type AgentType } from '#contracts';
import { ApiError } from '#http';

/** Looked at in {@link readAgentName}, when it is known which of the two is meant; the other one, whatever it is, is not. */
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
export function readAgentName(type: AgentType, body: z.output<typeof agentNameSchema>): string {
  const field = nameFieldOf(type);
  if (body[field] === undefined) throw ApiError.invalid(field, 'is required');
  const parsed = nameSchema.safeParse(body[field]);
  if (!parsed.success)
    throw new ApiError('validation_error', 'The request is not valid', {
      errors: { [field]: parsed.error.issues.map(({ message }) => message) },
    });
  return parsed.data;
}

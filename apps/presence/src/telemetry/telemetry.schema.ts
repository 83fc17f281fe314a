import { z } from 'zod';
import { MAX_TELEMETRY_ITEMS, telemetryJsonSchema } from '#contracts';
import type { SchemaObject } from '#openapi';

/** The result of one item, for the description of the API. */
export const telemetryResultSchema = z
  .union([
    z.object({
      result: z.enum(['changed', 'unchanged', 'stale']),
      sequence: z.int().min(0).meta({ description: 'Of the agent, after the item: counts its changes', example: 42 }),
    }),
    z.object({
      result: z.literal('rejected'),
      errors: z.record(z.string(), z.array(z.string())).meta({ description: 'What is wrong, by field' }),
    }),
  ])
  .meta({ id: 'TelemetryResult' });

/** Returns the JSON Schema that describes one item; an item is read by `parseTelemetry`. */
export function telemetryItemJsonSchema(): SchemaObject {
  const { $schema, ...item } = telemetryJsonSchema() as SchemaObject & { readonly $schema?: string };
  void $schema; // the document says it for all
  return item;
}

const ITEM = { $ref: '#/components/schemas/TelemetryItem' };

/** One item, or an array of them: contract §4. */
export const telemetryRequestJsonSchema: SchemaObject = {
  anyOf: [ITEM, { type: 'array', items: ITEM, maxItems: MAX_TELEMETRY_ITEMS }],
  // Whatever the agent did before, this ends with a login.
  example: ['logged_out', 'available'].map((agent_status) => ({
    client_id: '12',
    agent_type: 'local',
    agent_id: 136,
    agent_status,
    event_source: 'api',
    extension_name: '000*094@ringme.ru',
  })),
};

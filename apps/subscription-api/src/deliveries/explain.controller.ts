import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { loggedChangeSchema, momentSchema } from '../agent-status/agent-status.schema.js';
import { agentSchema } from '../agents/agent.schema.js';
import { Agent, type AgentRef } from '../request/path-params.js';
import { RefuseUnknownKeys } from '../request/known-keys.js';
import { AGENT_PATH } from '../request/paths.js';
import { deliverySchema } from './delivery.schema.js';
import { Explainer } from './explainer.js';

const querySchema = z.strictObject({
  at: momentSchema.optional().meta({ description: 'The moment in question; default: now', format: 'date-time' }),
});

const explanationSchema = z
  .object({
    at: z.iso.datetime(),
    agent: agentSchema.meta({ description: 'As it is now' }),
    change: loggedChangeSchema.nullable().meta({ description: 'The last status change up to that moment' }),
    decision: z.string().meta({ description: 'What was made of the telemetry, in words' }),
    agent_events: z.array(
      z.object({
        id: z.number().int(),
        all_agents: z.boolean(),
        url: z.string(),
        method: z.string(),
        event_type: z.string(),
        notified: z.boolean().meta({ description: 'Whether the change is or was on its way to it' }),
        reason: z.string().meta({ description: 'Why, or why not, in words' }),
        delivery: deliverySchema.nullable(),
      }),
    ),
  })
  .meta({ id: 'Explanation' });

/** Why was I (not) notified: contract §3. */
@ApiTags('Deliveries')
@Controller(`${AGENT_PATH}/explain`)
@RefuseUnknownKeys()
export class ExplainController {
  constructor(private readonly explainer: Explainer) {}

  @Get()
  @ApiOperation({
    summary: 'Why was I (not) notified?',
    description:
      'What the agent did last up to that moment, which agent events match it, why the others do not, and what became of the notifications.',
  })
  @ApiResponse({ status: 200, description: 'The path of the last change up to that moment', standardSchema: explanationSchema })
  explain(@Agent() agent: AgentRef, @Query({ schema: querySchema }) { at }: z.output<typeof querySchema>): Promise<unknown> {
    return this.explainer.explain(agent, at ?? new Date());
  }
}

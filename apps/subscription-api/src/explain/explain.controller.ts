import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { AGENT_STATUSES, AGENT_TYPES, EVENT_SOURCES } from '#contracts';
import { loggedChangeSchema } from '../agent-status/agent-status.module.js';
import { agentSchemaWith } from '../agents/agents.module.js';
import { listedDeliverySchema, triggeredAttemptSchema } from '../deliveries/deliveries.module.js';
import { RefuseUnknownKeys } from '../http/known-keys.js';
import { Agent, type AgentRef, AGENT_PATH } from '../http/path-params.js';
import { momentSchema } from '../http/query-params.js';
import { Explainer } from './explainer.js';
import { EXPLANATION_STEPS } from './explanation.js';

const querySchema = z.strictObject({
  at: momentSchema
    .optional()
    .meta({ description: 'The moment in question, not ahead of now; default: now', format: 'date-time' }),
});

const moment = z.iso.datetime();
const explainedDeliverySchema = listedDeliverySchema.extend({ attempts: z.array(triggeredAttemptSchema) }).nullable();
const explanationSchema = z
  .object({
    at: moment,
    agent: agentSchemaWith({
      removed_at: moment.optional().meta({ description: 'When it was removed from the directory' }),
    }).meta({ description: 'As it is now' }),
    record: z.enum(['kept', 'not_kept']).meta({ description: 'Whether the log reaches back to that moment' }),
    kept_since: moment.optional().meta({ description: 'With `not_kept`: since when the log is kept' }),
    change: loggedChangeSchema.nullable().meta({ description: 'The last status change up to that moment' }),
    last_report: z
      .object({
        agent_type: z.enum(AGENT_TYPES),
        agent_status: z.enum(AGENT_STATUSES),
        event_source: z.enum(EVENT_SOURCES),
        reported_at: moment,
        occurred_at: moment.nullable().meta({ description: 'null: it did not say' }),
        result: z.enum(['changed', 'unchanged', 'stale', 'rejected']),
        since_change: z.number().int().meta({ description: 'Reports since the last change, as far as they were counted' }),
      })
      .nullable()
      .meta({ description: 'The last telemetry, if it came before that moment and was noted; some seconds behind' }),
    decision: z.string().meta({ description: 'What was made of the telemetry, in words' }),
    steps: z
      .array(z.object({ step: z.enum(EXPLANATION_STEPS), code: z.string().meta({ example: 'changed' }), words: z.string() }))
      .meta({ description: 'From the last report to the attempts; `not_kept`: what was then is not kept any more' }),
    agent_events: z.array(
      z.object({
        id: z.number().int(),
        deleted: z.literal(true).optional().meta({ description: 'It is gone; its keys are absent' }),
        all_agents: z.boolean().optional(),
        url: z.string().optional(),
        method: z.string().optional(),
        event_type: z.string().optional(),
        notified: z.boolean().nullable().meta({
          description:
            'Whether the notification arrived: it was answered 2xx. false: not, or not yet, and `code` says why; null: what was sent then is not kept (`DELIVERY_LOG_RETENTION`)',
        }),
        code: z.string().meta({ example: 'other_event_type' }),
        reason: z.string().meta({ description: 'Why, or why not, in words' }),
        delivery: explainedDeliverySchema,
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

import { z } from 'zod';
import { AGENT_TYPES, type AgentType } from '#contracts';
import type { AgentCount } from '../agents/agents.module.js';

const counts = {
  available: z.number().int().meta({ example: 18 }),
  logged_out: z.number().int().meta({ example: 5 }),
};
const ofType = z.object(counts);

/** How many agents a client has: contract §3. */
export const summarySchema = z
  .object({
    ...counts,
    by_type: z.object({ local: ofType, remote: ofType }),
    cursor: z.number().int().meta({ description: 'Where stream and history continue', example: 1042 }),
  })
  .meta({ id: 'AgentSummary' });

export type SummaryView = z.output<typeof summarySchema>;

/** Adds up counts by type and status. Pure. */
export function summaryOf(counts: readonly AgentCount[], cursor: number): SummaryView {
  const of = (type: AgentType) => {
    const view = { available: 0, logged_out: 0 };
    for (const { agentType, agentStatus, count } of counts) if (agentType === type) view[agentStatus] += count;
    return view;
  };
  const [local, remote] = AGENT_TYPES.map(of) as [SummaryView['by_type']['local'], SummaryView['by_type']['remote']];
  return {
    available: local.available + remote.available,
    logged_out: local.logged_out + remote.logged_out,
    by_type: { local, remote },
    cursor,
  };
}

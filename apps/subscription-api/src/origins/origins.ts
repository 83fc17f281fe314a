import { z } from 'zod';
import { targetOf } from '#webhook';
import type { AuthorityRow, OriginStateRow } from './origin.repository.js';

/** An origin of a client's agent events: contract §3. */
export const originSchema = z
  .object({
    origin: z.string().meta({ description: 'Scheme, host and port', example: 'https://example.com' }),
    state: z
      .enum(['closed', 'open', 'probing'])
      .meta({ description: '`closed`: it is sent to; `open`: it is not, for now; `probing`: one attempt decides' }),
    since: z.iso.datetime().nullable().meta({ description: 'null: it was never otherwise, as far as is known' }),
    next_probe_at: z.iso.datetime().nullable(),
    last_error: z.string().nullable().meta({ example: 'connection refused' }),
    agent_events: z.number().int().meta({ example: 3 }),
    waiting: z.number().int().meta({ description: 'Deliveries that wait, for whatever reason', example: 0 }),
  })
  .meta({ id: 'Origin' });

export type OriginView = z.output<typeof originSchema>;

const WORST_FIRST = ['open', 'probing', 'closed'] as const;

/** Joins a client's origins with their state, ordered by name. Pure. */
export function originsOf(authorities: readonly AuthorityRow[], states: readonly OriginStateRow[]): OriginView[] {
  const origins = new Map<string, { agent_events: number; waiting: number }>();
  for (const { authority, agent_events, waiting } of authorities) {
    if (authority === null || !URL.canParse(authority)) continue; // somebody has put it into the database by hand
    const { origin } = targetOf(authority);
    const known = origins.get(origin) ?? { agent_events: 0, waiting: 0 };
    origins.set(origin, { agent_events: known.agent_events + agent_events, waiting: known.waiting + waiting });
  }
  return [...origins]
    .map(([origin, counts]) => ({
      origin,
      ...originStateOf(states.filter((row) => row.origin === origin)),
      ...counts,
    }))
    .sort((a, b) => (a.origin < b.origin ? -1 : 1));
}

/** Combines what dispatchers say of an origin: where they differ, the worst state is shown. */
function originStateOf(rows: readonly OriginStateRow[]): Pick<OriginView, 'state' | 'since' | 'next_probe_at' | 'last_error'> {
  const state = WORST_FIRST.find((worst) => rows.some((row) => row.state === worst)) ?? 'closed';
  const alike = rows.filter((row) => row.state === state);
  const row = state === 'closed' ? alike.at(-1) : alike[0];
  return {
    state,
    since: row?.since.toISOString() ?? null,
    next_probe_at: row?.next_probe_at?.toISOString() ?? null,
    last_error: row?.last_error ?? null,
  };
}

import type { AgentStatus, AgentType } from '../api/types';
import type { AgentRow } from './agent-row';

/** Which agents the board shows, and in which order. Pure. */

export const SORTS = ['changed', 'longest', 'name'] as const;
export type Sort = (typeof SORTS)[number];

export interface BoardFilter {
  readonly status?: AgentStatus | undefined;
  readonly type?: AgentType | undefined;
  /** Part of the name, number or id. */
  readonly q?: string | undefined;
  readonly sort: Sort;
}

/** Never reported counts as longest ago. */
const NEVER = 0;

const comparators: Readonly<Record<Sort, (a: AgentRow, b: AgentRow) => number>> = {
  changed: (a, b) => (b.since ?? NEVER) - (a.since ?? NEVER) || a.id - b.id,
  longest: (a, b) => (a.since ?? NEVER) - (b.since ?? NEVER) || a.id - b.id,
  name: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id - b.id),
};

/** Returns the ids of the agents that match, in order. */
export function orderOf(rows: Iterable<AgentRow>, { status, type, q, sort }: BoardFilter): number[] {
  const wanted = q?.trim().toLowerCase() ?? '';
  const matching: AgentRow[] = [];
  for (const row of rows) {
    if (status !== undefined && row.status !== status) continue;
    if (type !== undefined && row.type !== type) continue;
    if (wanted !== '' && !row.text.includes(wanted)) continue;
    matching.push(row);
  }
  return matching.sort(comparators[sort]).map(({ id }) => id);
}

import type pg from 'pg';
import { Population } from '../lab/population.js';
import type { ThreeServices } from '../lab/three-services.js';
import type { Row } from '../row.js';
import { medianOf } from '../statistics.js';
import { dispatchRound } from './dispatcher.js';

const AGENTS = 5000;
/** Statements have ten seconds; so many rows go into one. */
const CHUNK = 250_000;

/** Agent events, and deliveries of old. */
const STAGES = [
  [10_000, 0],
  [100_000, 0],
  [1_000_000, 0],
  [1_000_000, 10_000_000],
] as const;

/** What the stages of one system share. */
interface Stages {
  readonly population: Population;
  /** The first stage's rates. */
  readonly first: number[];
}

/** Builds the dispatcher row again, on tables that grow from stage to stage; its own first figure is the limit. */
export function growthRows(items = 30_000): Row<ThreeServices>[] {
  const begun = new Map<ThreeServices, Stages>();
  return STAGES.map(([events, deliveries], nth) => ({
    name: `growth: ${events.toLocaleString('en')} agent events, ${deliveries.toLocaleString('en')} old deliveries`,
    unit: 'notifications/s',
    figures: [{ goal: { of: 'ratio', atLeast: 0.85 } }],
    items,
    prepare: async (lab, system) => {
      if (nth === 0) {
        const population = await Population.create(system.pool, AGENTS, () => `${lab.receivers.origins[0]}/login`);
        begun.set(system, { population, first: [] });
      }
      const stages = begun.get(system);
      if (!stages) throw new Error('the stages of growth are measured from the first on');
      await fill(system.pool, events, deliveries);
      await dispatchRound(lab, system, stages.population, items);
      await system.pool.query('analyze');
      return async (count) => {
        const measured = await dispatchRound(lab, system, stages.population, count);
        if (nth === 0 && count === items) stages.first.push(...measured.values);
        return { ...measured, limit: { values: [nth === 0 ? measured.values[0]! : medianOf(stages.first)] } };
      };
    },
  }));
}

async function fill(pool: pg.Pool, events: number, deliveries: number): Promise<void> {
  const { rows } = await pool.query<{ events: number; deliveries: number }>(
    `select (select count(*)::integer from subscription.agent_event) as events,
            (select count(*)::integer from dispatch.attempt where agent_event_id > 4000000000) as deliveries`,
  );
  for (let made = rows[0]!.events; made < events; made += CHUNK) {
    await pool.query(
      `insert into subscription.agent_event (client_id, application_id, agent_id, agent_type, url, method, event_type)
       select 50000 + n % 1000, 1, n / 2000, 'local', 'https://example.com/login/' || n, 'POST',
              case n % 2 when 0 then 'agent-login' else 'agent-logout' end
       from generate_series($1::integer, $2::integer) n`,
      [made, Math.min(made + CHUNK, events) - 1],
    );
  }
  for (let made = rows[0]!.deliveries; made < deliveries; made += CHUNK) {
    // Spread over the last four weeks, as their ids are in time.
    await pool.query(
      `insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome, http_status, response)
       select 4000000001 + n % 100000,
              (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7000' || '8' || lpad(to_hex(n), 15, '0'))::uuid,
              1, at, 12, 'delivered', 200, 'ok'
       from (select n, now() - interval '28 days' * (n::double precision / $3) as at from generate_series($1::integer, $2::integer) n) s`,
      [made, made + CHUNK - 1, deliveries],
    );
  }
  await pool.query('vacuum analyze');
  await pool.query('checkpoint'); // or the row would pay for the filling
}

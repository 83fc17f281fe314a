import { Population } from '../lab/population.js';
import { untilNothingWaits } from '../lab/target.js';
import type { ThreeServices } from '../lab/three-services.js';
import type { Row } from '../row.js';

/** Builds the row of one change of one agent, and many agent events on it; twice, one after the other. */
export function fanOutRow(items = 20_000): Row<ThreeServices> {
  const events = items / 2;
  return {
    name: `fan-out: one change → ${events.toLocaleString('en')} agent events, different urls`,
    unit: 'notifications/s',
    figures: [{}],
    items,
    limit: 'loop',
    prepare: async (lab, system) => {
      const population = await Population.create(system.pool, 1);
      await system.pool.query(
        `insert into subscription.agent_event (client_id, application_id, agent_id, agent_type, url, method, event_type)
         select $3, 1, 1, 'local', $1 || id, 'POST', type
         from generate_series(1, $2) id, unnest(array['agent-login', 'agent-logout']) as type`,
        [`${lab.receivers.origins[0]}/`, events, population.clientId],
      );
      await system.pool.query('analyze subscription.agent_event');
      return (count) => {
        const changes = Math.max(1, Math.floor(count / events));
        const work = async (): Promise<void> => {
          await lab.receivers.reset();
          for (let change = 1; change <= changes; change++) {
            await population.publishChanges(system, 1);
            await lab.receivers.until(change * events);
            await untilNothingWaits(system.pool);
          }
        };
        return lab.metered(system, changes * events, work, system.settled);
      };
    },
  };
}

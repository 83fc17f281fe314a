import type { ServiceName } from '../../test/support/cluster.js';
import { seconds, type Lab, type System } from '../lab/lab.js';
import { Population } from '../lab/population.js';
import type { Row } from '../row.js';

const LOOP = 'bare undici POST loop, 64 connections, same receiver';
const UNIT = 'notifications/s';

/** Rows whose limit is the bare loop: what becomes of changes, in notifications that are acknowledged and recorded. */

/** Status changes wait in Kafka; the dispatcher stood still while they were written. */
export function dispatcherRow(lab: Lab, system: System, { agents = 20_000, changes = 40_000 } = {}): Row {
  return {
    name: 'dispatcher: changes waiting in Kafka → notified and recorded',
    limit: LOOP,
    unit: UNIT,
    goal: 0.45,
    prepare: async () => {
      const population = await Population.create(system.pool, 101, agents, () => `${lab.receivers.origins[0]}/login`);
      await dispatchRound(lab, system, population, agents);
      await system.settle();
      return async () => ({ limit: await lab.bareLoop(), value: await dispatchRound(lab, system, population, changes) });
    },
  };
}

/** Has changes wait for the dispatcher, and lets it go. @returns notifications a second */
export function dispatchRound(lab: Lab, system: System, population: Population, changes: number): Promise<number> {
  return round(lab, system, ['dispatcher'], changes, () => population.publishChanges(system, changes));
}

async function round(
  lab: Lab,
  system: System,
  stopped: readonly ServiceName[],
  changes: number,
  publish: () => Promise<void>,
): Promise<number> {
  await lab.receivers.reset();
  await system.whileStopped(stopped, publish);
  const took = await seconds(async () => {
    await lab.receivers.until(changes);
    await system.untilRecorded();
  });
  return changes / took;
}

/** Telemetry waits in Kafka, each item a real change with one subscriber. */
export function wholePathRow(lab: Lab, system: System, { agents = 20_000, changes = 40_000 } = {}): Row {
  return {
    name: 'whole path: telemetry waiting in Kafka → notified and recorded',
    limit: LOOP,
    unit: UNIT,
    goal: 0.3,
    prepare: async () => {
      const population = await Population.create(system.pool, 102, agents, () => `${lab.receivers.origins[0]}/login`);
      const path = (count: number): Promise<number> =>
        round(lab, system, ['presence', 'dispatcher'], count, () => {
          const items = Array.from({ length: count }, () => population.nextTelemetry());
          return population.publishTelemetry(system.producer, items);
        });
      await path(agents);
      await system.settle();
      return async () => ({ limit: await lab.bareLoop(), value: await path(changes) });
    },
  };
}

/** One change of one agent, and ten thousand agent events on it. */
export function fanOutRow(lab: Lab, system: System, { events = 10_000, changes = 2 } = {}): Row {
  return {
    name: 'fan-out: one change → 10,000 agent events, different urls',
    limit: LOOP,
    unit: UNIT,
    goal: 0.45,
    prepare: async () => {
      const population = await Population.create(system.pool, 103, 1);
      await system.pool.query(
        `insert into subscription.agent_event (client_id, application_id, agent_id, agent_type, url, method, event_type)
         select 103, 1, 1, 'local', $1 || id, 'POST', type
         from generate_series(1, $2) id, unnest(array['agent-login', 'agent-logout']) as type`,
        [`${lab.receivers.origins[0]}/`, events],
      );
      await system.pool.query('analyze subscription.agent_event');
      const one = async (): Promise<void> => {
        await lab.receivers.reset();
        await population.publishChanges(system, 1);
        await lab.receivers.until(events);
        await system.untilRecorded();
      };
      await one();
      await system.settle();
      return async () => {
        const limit = await lab.bareLoop();
        const took = await seconds(async () => {
          for (let change = 0; change < changes; change++) await one();
        });
        return { limit, value: (changes * events) / took };
      };
    },
  };
}

/** Five origins, and one of them never answers: what becomes of the other four, beside what they get when all are well. */
export function deadOriginRow(lab: Lab, system: System, { agents = 20_000, changes = 20_000 } = {}): Row {
  return {
    name: 'one dead origin in five: the others',
    limit: 'the same with all five well, four fifths of it',
    unit: UNIT,
    goal: 0.9,
    prepare: async () => {
      const { origins } = lab.receivers;
      const population = await Population.create(system.pool, 109, agents, (agent) => `${origins[agent % origins.length]}/login`);
      const others = async (hang: number | undefined): Promise<number> => {
        await lab.receivers.reset(hang === undefined ? {} : { hang });
        await system.whileStopped(['dispatcher'], () => population.publishChanges(system, changes));
        const expected = hang === undefined ? changes : (changes * (origins.length - 1)) / origins.length;
        const took = await seconds(() => lab.receivers.until(expected));
        return ((changes / origins.length) * (origins.length - 1)) / took;
      };
      await others(undefined);
      await system.settle();
      return async () => {
        const limit = await others(undefined);
        await system.untilRecorded();
        const value = await others(0);
        await lab.receivers.reset(); // well again, and what waits for it goes out: none of it may be left in the next sample
        await system.untilRecorded();
        return { limit, value };
      };
    },
  };
}

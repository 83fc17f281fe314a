import { describe, expect, it } from 'vitest';
import { buildOf } from '../../bench/lab/build.js';
import { LocalKafka } from '../../tools/kafka/local-kafka.js';
import { describe as table } from '../chaos/checker.js';
import { SERVICES, type Cluster, type ServiceName } from '../support/cluster.js';
import { eventually } from '../support/poll.js';
import { ServiceProcess } from '../support/process.js';
import { SteadyLoad } from './steady-load.js';
import { describeFigures, RollingWorld } from './world.js';

/** The commit whose build stands for the release before; UPGRADE_FROM names another. */
const FROM = process.env['UPGRADE_FROM'] || '0259941';
const long = process.env['ROLLING'] === 'long';
/** Notifications, of each state of affairs. */
const ENOUGH = 200;
const PATIENCE_MS = 120_000;
const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** `npm run test:upgrade`: two real builds, one database. */
describe.runIf(long && (await LocalKafka.missing()) === undefined)(`an upgrade from ${FROM} under load, and the way back`, () => {
  it('loses, invents and reorders nothing, with both side by side and instances of the earlier one restarted', async () => {
    const { root: earlier } = await buildOf(FROM);
    const world = await RollingWorld.start();
    const migrateBy = async (root?: string): Promise<void> => {
      const migration = ServiceProcess.migrate({ DATABASE_URL: world.postgres.url() }, root);
      if ((await migration.exited()) !== 0) throw new Error(migration.output);
    };
    try {
      await migrateBy(earlier);
      const old = await world.addCluster({}, earlier);
      const load = new SteadyLoad(60, world.urls, 40);
      await world.subscribe(load);
      const loading = load.run();
      /** Goes on once this much has come of what was done. */
      const told = async (what: string): Promise<void> => {
        const known = load.arrivals.length;
        await eventually(`notifications: ${what}`, () => load.arrivals.length > known + ENOUGH, PATIENCE_MS);
        say(describeFigures(what, load.figures()));
      };
      await told('the earlier release alone');
      await migrateBy();
      await told('migrated beneath it');
      await restartEach(old);
      await told('the earlier release restarted on the new schema');
      // Dispatchers of the two designs are never there together; the rest is.
      await removeEach(old, ['dispatcher']);
      const current = await world.addCluster({ SHUTDOWN_DELAY: '3s' });
      await restartEach(old);
      await told('side by side, the earlier one restarted');
      await removeEach(old, SERVICES);
      await told('the new release alone');
      await removeEach(current, ['dispatcher']);
      const back = await world.addCluster({}, earlier);
      await restartEach(back);
      await removeEach(current, SERVICES);
      await restartEach(back);
      await told('rolled back');
      load.stop();
      await loading;
      const report = await world.settle(load);
      say(describeFigures('settled', load.figures()));
      say(table(report));
      expect(report.expected).toBeGreaterThan(100);
      expect(report).toMatchObject({ lost: [], invented: [], outOfOrder: [] });
    } finally {
      await world.stop();
    }
  }, 1_800_000);
});

async function removeEach(cluster: Cluster, services: readonly ServiceName[]): Promise<void> {
  for (const service of services) for (const instance of cluster.of(service)) await cluster.remove(instance);
}

async function restartEach(cluster: Cluster): Promise<void> {
  for (const instance of [...cluster.instances]) {
    await instance.process.stop();
    await cluster.restart(instance);
  }
}

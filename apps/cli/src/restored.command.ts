import type { Command } from 'commander';
import { explainKafkaError, kafkaOptionsOf, KAFKA_SETTINGS, KafkaOperator, type OperatedTopic } from '#bus';
import { DISPATCHER_GROUP, PRESENCE_GROUP, STATUS_CHANGED_TOPIC, TELEMETRY_TOPIC } from '#contracts';
import { poolOf } from '#database';
import { createLogger, readSettings } from '#runtime';
import { withDatabase, type Terminal } from './database.js';
import { planRewind, type DecidedPartition, type Rewind } from './restored/offsets.js';
import { RestoredRepository } from './restored/restored.repository.js';

const HELP = `
Run it once, after the database was restored to an earlier moment and before any service starts on it: docs/operations.md.
Positions of the log and ids go on beyond all that were given out, so that no cursor of what is undone becomes valid again; the records
of agent.status-changed.v1, of which the database may know nothing, are deleted; and telemetry over Kafka is consumed again from where
the restored database had come to. Without --yes it only says so.`;

/** What is to be done at the brokers. */
interface KafkaPlan {
  readonly changes: OperatedTopic | undefined;
  readonly rewinds: readonly Rewind[];
}

/** Adds `restored`: makes database and broker fit each other again after a restore to an earlier moment. ADR 35. */
export function addRestoredCommand(program: Command, terminal: Terminal): void {
  program
    .command('restored')
    .description('After a restore of the database to an earlier moment: has positions and offsets go on from there.')
    .option('--yes', 'do it: records of the topic of changes are deleted')
    .addHelpText('after', HELP)
    .action(({ yes = false }: { yes?: boolean }) =>
      withDatabase(terminal, { name: 'restored', holds: 'log' }, async (dataSource) => {
        const restored = new RestoredRepository(poolOf(dataSource));
        const connected = await restored.connectedServices();
        if (connected.length > 0) throw new Error(`${connected.join(', ')} still connected: stop all services first`);
        await followAtBrokers(terminal, await restored.decidedPartitions(), yes);
        if (!yes) return terminal.write('Positions of the log and ids would be lifted. Nothing was done: say --yes to do it.\n');
        const { after, until } = await restored.lift();
        terminal.write(
          `Positions of the log go on at ${until}; cursors between ${after} and it are refused. Ids go on beyond those given out.\n` +
            'Start the services, and have those who report over HTTP send the present state of all agents.\n',
        );
      }),
    );
}

async function followAtBrokers(terminal: Terminal, decided: readonly DecidedPartition[], act: boolean): Promise<void> {
  const { KAFKA_BROKERS, ...settings } = readSettings(terminal.env, ['KAFKA_BROKERS', ...KAFKA_SETTINGS]);
  if (KAFKA_BROKERS === undefined)
    return terminal.write('KAFKA_BROKERS is not set: there is no topic and there are no offsets to look after.\n');
  const options = kafkaOptionsOf({ ...settings, KAFKA_BROKERS }, 'restored', createLogger('restored', 'silent'));
  try {
    await KafkaOperator.run(options, async (operator) => {
      await refuseMembers(operator);
      const telemetry = await operator.findTopic(TELEMETRY_TOPIC);
      const changes = await operator.findTopic(STATUS_CHANGED_TOPIC);
      const plan = { changes, rewinds: telemetry ? planRewind(telemetry, decided) : [] };
      terminal.write(describe(plan, act));
      if (act) await execute(operator, plan);
    });
  } catch (cause) {
    throw new Error(`Kafka: ${explainKafkaError(cause)}`, { cause });
  }
}

async function refuseMembers(operator: KafkaOperator): Promise<void> {
  for (const group of [PRESENCE_GROUP, DISPATCHER_GROUP])
    if ((await operator.countMembers(group)) > 0) throw new Error(`the group ${group} has members: stop all services first`);
}

async function execute(operator: KafkaOperator, { changes, rewinds }: KafkaPlan): Promise<void> {
  if (changes) {
    const ends = changes.partitions.map(({ partition, high }) => ({ partition, offset: high }));
    await operator.deleteRecords(STATUS_CHANGED_TOPIC, ends);
    await operator.setOffsets(DISPATCHER_GROUP, STATUS_CHANGED_TOPIC, ends);
  }
  if (rewinds.length > 0) await operator.setOffsets(PRESENCE_GROUP, TELEMETRY_TOPIC, rewinds);
}

function describe({ changes, rewinds }: KafkaPlan, act: boolean): string {
  const kept = (changes?.partitions ?? []).reduce((sum, { low, high }) => sum + high - low, 0);
  const sum = (of: (rewind: Rewind) => number): number => rewinds.reduce((total, rewind) => total + of(rewind), 0);
  const lost = rewinds.filter((rewind) => rewind.lost > 0);
  return [
    `${STATUS_CHANGED_TOPIC}: ${kept} records ${act ? 'are' : 'would be'} deleted.\n`,
    `${TELEMETRY_TOPIC}: ${sum(({ records }) => records)} records ${act ? 'are' : 'would be'} consumed, those of before among them.\n`,
    lost.length > 0
      ? `${TELEMETRY_TOPIC}: ${sum((rewind) => rewind.lost)} records that the database does not know are no longer kept (partitions ${lost.map(({ partition }) => partition).join(', ')}): have them sent again.\n`
      : '',
  ].join('');
}

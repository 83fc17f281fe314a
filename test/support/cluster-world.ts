import { RestClient } from './client.js';
import { Cluster } from './cluster.js';
import { KafkaTap } from './kafka-tap.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';
import type { Environment } from './process.js';
import { RecordingReceiver } from './receiver.js';

/** The services in processes of their own on a database of their own, with a third party, a view of Kafka, and the demo applications. */
export class ClusterWorld {
  database!: TestDatabase;
  receiver!: RecordingReceiver;
  cluster!: Cluster;
  tap!: KafkaTap;
  demo!: RestClient;
  platform!: RestClient;

  /** @throws what a part of it throws; nothing is then left running */
  static async start(brokers: readonly string[], settings: Environment): Promise<ClusterWorld> {
    const world = new ClusterWorld();
    try {
      world.database = await createTestDatabase();
      world.receiver = await RecordingReceiver.start();
      world.cluster = await Cluster.startOn(world.database.url, brokers, settings);
      world.tap = new KafkaTap(brokers);
      world.demo = await RestClient.create(world.cluster.urls, 'demo', 'demo-secret');
      world.platform = await RestClient.create(world.cluster.urls, 'platform', 'platform-secret');
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.tap?.close();
    await this.cluster?.stop();
    await this.database?.drop();
    await this.receiver?.stop();
  }
}

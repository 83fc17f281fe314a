import type { Pool } from '#database';
import type { DecidedPartition } from './offsets.js';

/** Ids that are added to those which were given out, by each sequence of ids: more than come between two backups. */
const LIFT_OF_IDS = 1_000_000;

/** Where the log's positions were and where they go on. */
export interface LiftedPositions {
  readonly after: number;
  readonly until: number;
}

/** What `restored` does in the database, as its operator. */
export class RestoredRepository {
  constructor(private readonly pool: Pool) {}

  /** Reads the services that are connected to this database now, by the names under which they are. */
  async connectedServices(): Promise<string[]> {
    const { rows } = await this.pool.query<{ name: string }>(
      `select distinct application_name as name from pg_stat_activity
       where datname = current_database() and application_name in ('rollcall-subscription-api', 'rollcall-presence', 'rollcall-dispatcher')
       order by 1`,
    );
    return rows.map(({ name }) => name);
  }

  /** Reads how far telemetry was decided. What a crash may have left undone of it is consumed again, as after a crash. */
  async decidedPartitions(): Promise<DecidedPartition[]> {
    const { rows } = await this.pool.query<{ topic_id: string; partition: number; first: number }>(
      `select topic_id::text, partition,
         least(next_offset, (undecided ->> 'from')::bigint, (select min(o::bigint) from jsonb_object_keys(rejected) o)) as first
       from presence.telemetry_position`,
    );
    return rows.map(({ topic_id, partition, first }) => ({ topicId: topic_id, partition, from: first }));
  }

  /**
   * Has the log's positions go on at the time in microseconds since 1970, and ids beyond those that can have been given out. No log grows
   * by a million changes a second, so that time is beyond every position that was ever given out, on whatever course of events, and
   * the next restore's is beyond this one's.
   */
  async lift(): Promise<LiftedPositions> {
    const client = await this.pool.connect();
    try {
      await client.query('begin');
      const { rows } = await client.query<LiftedPositions>(
        `insert into presence.restore (after_position, until_position)
         -- The last positions are those of the last ids, give or take a transaction; no index has all of them in order.
         select greatest((select max(position) from presence.status_change
                          where id >= presence.uuid_v7_floor((select changed_at from presence.status_change order by id desc limit 1) - interval '1 hour')),
                         (select max(position) from presence.directory_change), 0),
                greatest((date_part('epoch', clock_timestamp()) * 1000000)::bigint, (select last_value from presence.status_change_position) + 1)
         returning after_position as after, until_position as until`,
      );
      const lifted = rows[0]!;
      await client.query(`select setval('presence.status_change_position', $1)`, [lifted.until]);
      await client.query(
        `select setval(format('%I.%I', schemaname, sequencename)::regclass, coalesce(last_value, 0) + $1)
         from pg_sequences
         where schemaname in ('access', 'subscription', 'presence', 'dispatch') and sequencename <> 'status_change_position'`,
        [LIFT_OF_IDS],
      );
      await client.query('commit');
      return lifted;
    } catch (error) {
      await client.query('rollback');
      throw error;
    } finally {
      client.release();
    }
  }
}

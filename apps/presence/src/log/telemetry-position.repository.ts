import type { Pool } from 'pg';
import type { AgentKey } from '#contracts';
import { arrayOfPlain, arrayOfTexts, millisecondsOf } from '#database';

/** Agents of whom the records from an offset on were not decided with the others'. */
export interface Undecided {
  readonly from: number;
  readonly agents: readonly AgentKey[];
}

/** How far a partition has been decided: one row of `presence.telemetry_position`. */
export interface TelemetryPosition {
  readonly topicId: string;
  readonly partition: number;
  readonly version: number;
  /** The records before it were decided, but for what is undecided. */
  readonly nextOffset: number;
  /** The latest time of what came before, in milliseconds since the epoch; null while that is nothing. */
  readonly asOf: number | null;
  /** Agents of whom the records from an offset on, and before the next one, are still to be decided; null: nobody. */
  readonly undecided: Undecided | null;
  /** Why records of the last batch were rejected, by offset: their dead letters may not be written yet. */
  readonly rejected: Readonly<Record<string, string>>;
}

/** A partition's position as it was and as it shall be, once all of the batch is decided. */
export interface PositionMove {
  readonly before: TelemetryPosition;
  readonly nextOffset: number;
  readonly asOf: number | null;
  /** The first offset of what is being decided: whoever has to be decided again is so from there. */
  readonly from: number;
  /** What was undecided before and still is. */
  readonly undecided: Undecided | null;
  readonly rejected: Readonly<Record<string, string>>;
}

/** Another consumer has decided records of a partition since its position was read. Nothing was written: read it again. */
export class PositionMovedError extends Error {
  override readonly name = 'PositionMovedError';
}

interface PositionRow {
  readonly version: number;
  readonly next_offset: number;
  readonly as_of_ms: number | null;
  readonly undecided: { readonly from: number; readonly agents: readonly [clientId: number, agentId: number][] } | null;
  readonly rejected: Readonly<Record<string, string>> | null;
}

/** The row of a partition that is new is made first, since a move only ever updates one. */
const MAKE_POSITION = {
  name: 'presence_make_position',
  text: 'insert into presence.telemetry_position (topic_id, partition) values ($1, $2) on conflict do nothing',
};

const READ_POSITION = {
  name: 'presence_read_position',
  text: `select version, next_offset, ${millisecondsOf('as_of')} as as_of_ms, undecided, rejected
         from presence.telemetry_position where topic_id = $1 and partition = $2`,
};

/** Reads how far a partition has been decided; nothing of it, where it is not known yet. */
export async function readPosition(pool: Pool, topicId: string, partition: number): Promise<TelemetryPosition> {
  const read = async (): Promise<PositionRow | undefined> =>
    (await pool.query<PositionRow>({ ...READ_POSITION, values: [topicId, partition] })).rows[0];
  let row = await read();
  if (!row) {
    await pool.query({ ...MAKE_POSITION, values: [topicId, partition] });
    row = (await read())!;
  }
  return {
    topicId,
    partition,
    version: row.version,
    nextOffset: row.next_offset,
    asOf: row.as_of_ms,
    undecided: row.undecided && {
      from: row.undecided.from,
      agents: row.undecided.agents.map(([clientId, agentId]) => ({ clientId, agentId })),
    },
    rejected: row.rejected ?? {},
  };
}

/** The moves as rows `m`, of the statement's parameters from the `first` on: see `valuesOfMoves`. */
const movesFrom = (first: number): string =>
  `unnest($${first}::uuid[], $${first + 1}::integer[], $${first + 2}::bigint[], $${first + 3}::bigint[], $${first + 4}::bigint[],
          $${first + 5}::bigint[], $${first + 6}::text[], $${first + 7}::text[])
     as m(topic_id, partition, seen_version, next_offset, as_of_ms, from_offset, undecided, rejected)`;

/** What a move sets, but for what remains undecided. */
const SET_POSITION = `version = p.version + 1, next_offset = m.next_offset,
  as_of = to_timestamp(m.as_of_ms::float8 / 1000), rejected = m.rejected::jsonb`;

/** Parts of a `with` that lock, by key, the positions that are still as they were read; the moves come from the `first` parameter on. */
export const heldPositions = (first: number): string => `
    move as materialized (
      select * from ${movesFrom(first)}
    ), held_position as materialized (
      select p.topic_id, p.partition
      from presence.telemetry_position p join move m on p.topic_id = m.topic_id and p.partition = m.partition
      where p.version = m.seen_version
      order by p.topic_id, p.partition
      for update of p
    )`;

/** Whether all of them are. */
export const POSITIONS_IN_PLACE = '(select count(*) from held_position) = (select count(*) from move)';

/** The part that moves them, and notes as undecided those agents of `w` whose `ord` is not in `written`. */
export const movedPositions = (w: string): string => `
    moved as (
      update presence.telemetry_position p
      set ${SET_POSITION},
          undecided = coalesce((
            select jsonb_build_object('from', m.from_offset,
              'agents', jsonb_agg(jsonb_build_array(w.client_id, w.agent_id)) || coalesce(m.undecided::jsonb -> 'agents', '[]'))
            from ${w} where w.ord not in (select ord from written) having count(*) > 0), m.undecided::jsonb)
      from held_position h join move m on m.topic_id = h.topic_id and m.partition = h.partition
      where p.topic_id = h.topic_id and p.partition = h.partition and ${POSITIONS_IN_PLACE}
      returning p.version
    )`;

/** Writes the parameters of moves, in order. */
export function valuesOfMoves(moves: readonly PositionMove[]): string[] {
  return [
    arrayOfPlain(moves, ({ before }) => before.topicId),
    arrayOfPlain(moves, ({ before }) => before.partition),
    arrayOfPlain(moves, ({ before }) => before.version),
    arrayOfPlain(moves, ({ nextOffset }) => nextOffset),
    arrayOfPlain(moves, ({ asOf }) => asOf),
    arrayOfPlain(moves, ({ from }) => from),
    arrayOfTexts(moves, ({ undecided }) => undecided && JSON.stringify(toColumn(undecided))),
    arrayOfTexts(moves, ({ rejected }) => (Object.keys(rejected).length === 0 ? null : JSON.stringify(rejected))),
  ];
}

function toColumn({ from, agents }: Undecided): PositionRow['undecided'] {
  return { from, agents: agents.map(({ clientId, agentId }) => [clientId, agentId]) };
}

const MOVE_POSITIONS = {
  name: 'presence_move_positions',
  text: `
    update presence.telemetry_position p set ${SET_POSITION}, undecided = m.undecided::jsonb
    from ${movesFrom(1)}
    where p.topic_id = m.topic_id and p.partition = m.partition and p.version = m.seen_version`,
};

/**
 * Moves positions where there was nothing else to write.
 *
 * @throws PositionMovedError; the others were moved then
 */
export async function movePositions(pool: Pool, moves: readonly PositionMove[]): Promise<void> {
  const { rowCount } = await pool.query({ ...MOVE_POSITIONS, values: valuesOfMoves(moves) });
  assertMoved(moves, rowCount ?? 0);
}

/** @throws PositionMovedError unless all were moved */
export function assertMoved(moves: readonly PositionMove[], moved: number): void {
  if (moved < moves.length) throw new PositionMovedError('another consumer has decided records of the same partition');
}

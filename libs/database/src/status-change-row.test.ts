import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AGENT_STATUSES, AGENT_TYPES, EVENT_SOURCES, ID_LIMIT, type StatusChange } from '#contracts';
import { useTestPool } from '../../../test/support/postgres.js';
import { statusChangeColumns, statusChangeJson } from './status-change-row.js';

const pool = useTestPool();

const COLUMNS =
  'id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at, traceparent';

/** Rows as the log has them; the microseconds are cut off when they are read. */
const ROWS = `
  (select *, occurred_text::timestamptz + micros * interval '1 microsecond' as occurred_at, changed_text::timestamptz as changed_at
   from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[], $10::text[], $11::text[], $12::integer[])
     as r (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_text, changed_text, traceparent, micros))`;

const id = fc.integer({ min: 0, max: ID_LIMIT - 1 });
const time = fc.integer({ min: Date.parse('0001-01-01T00:00:00Z'), max: Date.parse('9998-12-31T00:00:00Z') });
const change = fc.record({
  id: fc.uuid({ version: 7 }),
  clientId: id,
  agentId: id,
  agentType: fc.constantFrom(...AGENT_TYPES),
  name: fc.string({ minLength: 1 }).filter((name) => !name.includes('\0')),
  agentStatus: fc.constantFrom(...AGENT_STATUSES),
  eventSource: fc.constantFrom(...EVENT_SOURCES),
  sequence: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  occurredAt: time,
  changedAt: time,
  traceparent: fc.constantFrom(null, `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`),
});

function valuesOf(changes: readonly StatusChange[], micros: readonly number[]): unknown[] {
  const textOf = (ms: number): string => new Date(ms).toISOString();
  return [
    changes.map((one) => one.id),
    changes.map((one) => one.clientId),
    changes.map((one) => one.agentId),
    changes.map((one) => one.agentType),
    changes.map((one) => one.name),
    changes.map((one) => one.agentStatus),
    changes.map((one) => one.eventSource),
    changes.map((one) => one.sequence),
    changes.map((one) => textOf(one.occurredAt)),
    changes.map((one) => textOf(one.changedAt)),
    changes.map((one) => one.traceparent),
    micros,
  ];
}

it('gives changes as they stand in the rows, as columns and as JSON', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(change, fc.integer({ min: 0, max: 999 })), { minLength: 1, maxLength: 50 }),
      async (rows) => {
        const changes = rows.map(([one]) => one);
        const values = valuesOf(
          changes,
          rows.map(([, micros]) => micros),
        );
        const asColumns = await pool().query<StatusChange>(
          `select ${statusChangeColumns('s')} from (select ${COLUMNS} from ${ROWS} r) s`,
          values,
        );
        expect(asColumns.rows).toEqual(changes);
        const asJson = await pool().query<{ change: StatusChange }>(
          `select ${statusChangeJson('s')} as change from (select ${COLUMNS} from ${ROWS} r) s`,
          values,
        );
        expect(asJson.rows.map((row) => row.change)).toEqual(changes);
      },
    ),
    { numRuns: 30 },
  );
});

it('gives no JSON where there is no row', async () => {
  const { rows } = await pool().query(
    `select ${statusChangeJson('s')} as change from (select 1) one left join presence.status_change s on false`,
  );
  expect(rows).toEqual([{ change: null }]);
});

import { expect, it } from 'vitest';
import { useTestPool } from '../../../../test/support/postgres.js';
import { claimNotices, recordNotices, type NoticeDelivery } from './notice.repository.js';

const pool = useTestPool();
const CLIENT = 12;
const OTHERS = [13, 14];
const WAITING = 350;

const claim = async (): Promise<NoticeDelivery[]> =>
  (await claimNotices(pool(), { after: -1, clients: 10, full: [], perClient: 5, leaseMs: 60_000, windowMs: 3_600_000 })).claimed;

it('are claimed without walking over all that waits for an earlier one, which comes as soon as that has ended', async () => {
  await pool().query(
    `insert into subscription.notice_event (client_id, application_id, url, types)
     select c, 1, 'http://127.0.0.1:9/', '{replay.finished}' from unnest($1::bigint[]) c`,
    [[CLIENT, ...OTHERS]],
  );
  const add = (client: number, agentEvent: number, count: number): Promise<unknown> =>
    pool().query(`select dispatch.add_notice($1, 'replay.finished', $2, '{}') from generate_series(1, $3)`, [
      client,
      agentEvent,
      count,
    ]);
  await add(CLIENT, 1, WAITING);
  const [head] = await claim();
  await add(CLIENT, 2, 1);
  for (const client of OTHERS) await add(client, 3, 1);

  // Others have their turn at once; the client itself once what is in its own way was looked at.
  const first = await claim();
  expect(first.map(({ clientId }) => clientId)).toEqual(OTHERS);
  const putOff = await pool().query(
    `select from dispatch.notice_delivery where due_at > now() + interval '1 second' and claim = 0`,
  );
  expect(putOff.rowCount).toBeLessThanOrEqual(200);
  const later: NoticeDelivery[] = [];
  for (let look = 0; look < 4; look++) later.push(...(await claim()));
  expect(later.map(({ clientId, notice }) => [clientId, notice.agent_event_id])).toEqual([[CLIENT, 2]]);

  const { noticeEventId, claim: taken, notice } = head!;
  const result = { noticeId: notice.id, noticeEventId, claim: taken, attempted: true, delayMs: null, error: null };
  await recordNotices(pool(), [{ ...result, outcome: 'delivered' }], 1000);
  expect((await claim()).map(({ notice: { id } }) => id)).toEqual([notice.id + 1]);
});

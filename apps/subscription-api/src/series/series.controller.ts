import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { ID_LIMIT } from '#contracts';
import { ClientId, CLIENT_PATH } from '../http/path-params.js';
import { momentSchema } from '../http/query-params.js';
import { integerParam } from '../http/query-params.js';
import { percentileOf } from './percentile.js';
import { SeriesRepository, type ChangePoint } from './series.repository.js';
import { carriedOn, MAX_POINTS, MINUTE_S, placed, spanOf } from './span.js';

const MAX_STEP_S = 86_400;

const query = {
  since: momentSchema.optional().meta({ description: 'Default: an hour before `until`', format: 'date-time' }),
  until: momentSchema.optional().meta({ description: 'Default: now', format: 'date-time' }),
  step: integerParam(MINUTE_S, MAX_STEP_S)
    .refine((step) => step % MINUTE_S === 0, `must be a multiple of ${MINUTE_S}`)
    .optional()
    .meta({
      description: `Seconds from one point to the next; default: a minute, or as long as gives at most ${MAX_POINTS} points`,
    }),
};
const changesQuerySchema = z.strictObject(query);
const deliveriesQuerySchema = z.strictObject({
  ...query,
  agent_event_id: integerParam(1, ID_LIMIT - 1)
    .optional()
    .meta({ description: 'Of this agent event alone' }),
});

const count = z.array(z.number().int()).meta({ example: [3, 0, 5] });
const milliseconds = z.array(z.number().int().nullable()).meta({ example: [42, null, 61] });
const place = {
  step: z.number().int().meta({ description: 'Seconds from one point to the next', example: 60 }),
  from: z.iso.datetime().meta({ description: 'Beginning of the first point', example: '2026-11-22T10:00:00.000Z' }),
};
const changesSchema = z
  .object({
    ...place,
    logins: count,
    logouts: count,
    available: count.meta({ description: 'Available agents at the end of each point' }),
  })
  .meta({ id: 'ChangeSeries' });
const deliveriesSchema = z
  .object({
    ...place,
    delivered: count,
    retry: count.meta({ description: 'Attempts that failed and are made again' }),
    failed: count,
    dropped: count,
    p50_ms: milliseconds.meta({ description: 'Half of the attempts took no longer; null: there were none' }),
    p95_ms: milliseconds,
  })
  .meta({ id: 'DeliverySeries' });

/** Serves the data of charts: contract §3. */
@ApiTags('Series')
@Controller(`${CLIENT_PATH}/series`)
export class SeriesController {
  constructor(private readonly series: SeriesRepository) {}

  @Get('changes')
  @ApiOperation({ summary: 'Status changes over time', description: 'Some seconds behind.' })
  @ApiResponse({ status: 200, description: 'At most 1,000 points', standardSchema: changesSchema })
  async changes(
    @ClientId() clientId: number,
    @Query({ schema: changesQuerySchema }) asked: z.output<typeof changesQuerySchema>,
  ): Promise<z.output<typeof changesSchema>> {
    const span = spanOf(asked, Date.now());
    const [points, before] = await Promise.all([
      this.series.changes(clientId, span),
      this.series.availableBefore(clientId, span),
    ]);
    return {
      step: span.step,
      from: new Date(span.from * 1000).toISOString(),
      logins: placed(span, points, ({ logins }) => logins, 0),
      logouts: placed(span, points, ({ logouts }) => logouts, 0),
      available: carriedOn(
        placed<ChangePoint, number | undefined>(span, points, ({ available }) => available, undefined),
        before,
      ),
    };
  }

  @Get('deliveries')
  @ApiOperation({ summary: 'Attempts over time, by what became of them', description: 'Some seconds behind.' })
  @ApiResponse({ status: 200, description: 'At most 1,000 points', standardSchema: deliveriesSchema })
  async deliveries(
    @ClientId() clientId: number,
    @Query({ schema: deliveriesQuerySchema }) { agent_event_id, ...asked }: z.output<typeof deliveriesQuerySchema>,
  ): Promise<z.output<typeof deliveriesSchema>> {
    const span = spanOf(asked, Date.now());
    const points = await (agent_event_id === undefined
      ? this.series.deliveries(clientId, span)
      : this.series.deliveriesOf(clientId, agent_event_id, span));
    const part = (of: number) => placed(span, points, ({ latency }) => percentileOf(latency, of), null);
    return {
      step: span.step,
      from: new Date(span.from * 1000).toISOString(),
      delivered: placed(span, points, ({ delivered }) => delivered, 0),
      retry: placed(span, points, ({ retry }) => retry, 0),
      failed: placed(span, points, ({ failed }) => failed, 0),
      dropped: placed(span, points, ({ dropped }) => dropped, 0),
      p50_ms: part(0.5),
      p95_ms: part(0.95),
    };
  }
}

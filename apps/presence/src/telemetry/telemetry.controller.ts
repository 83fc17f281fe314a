import { Body, Controller, Headers, HttpCode, Post } from '@nestjs/common';
import { ApiBody, ApiHeader, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { MAX_TELEMETRY_ITEMS } from '#contracts';
import { RequireAccess } from '#auth';
import { ApiError } from '#http';
import type { TelemetryResult } from './agent-batch.js';
import { telemetryRequestJsonSchema, telemetryResultSchema } from './telemetry.schema.js';
import { BacklogError, ContentionError, TelemetryService } from './telemetry.service.js';

const RETRY_AFTER = { 'retry-after': '1' };

/** Telemetry over HTTP: contract §4. */
@ApiTags('Telemetry')
@Controller()
export class TelemetryController {
  constructor(private readonly service: TelemetryService) {}

  /**
   * Takes one item or an array of them; always answers an array, one result an item, in order. A request is refused as a whole, before
   * anything of it is decided, where too much of a client that it is about is waiting: the others' telemetry is not.
   */
  @Post('telemetry')
  @HttpCode(200)
  @RequireAccess('platform')
  @ApiOperation({
    summary: 'Report what agents do',
    description:
      'One item, or an array of up to 1,000. The answer has one result for each, in order, with 200 whatever they are: **look for `rejected`**, which says what is wrong with an item and spoils none of the others. `changed` is said once the change is durable; `unchanged` repeats the status that the agent has; `stale` is older than its last change.',
  })
  @ApiHeader({ name: 'traceparent', required: false, description: 'W3C trace context that the changes’ traces go on from' })
  @ApiBody({ schema: telemetryRequestJsonSchema })
  @ApiResponse({
    status: 200,
    description: 'One result for each item, in order',
    standardSchema: telemetryResultSchema,
    isArray: true,
    example: [
      { result: 'changed', sequence: 42 },
      { result: 'rejected', errors: { agent_status: ['must be one of: available, logged_out'] } },
    ],
  })
  async report(@Body() body: unknown, @Headers('traceparent') traceparent?: string): Promise<TelemetryResult[]> {
    if (typeof body !== 'object' || body === null) throw ApiError.invalid('body', 'must be a JSON object or an array of them');
    const items: readonly unknown[] = Array.isArray(body) ? body : [body];
    if (items.length > MAX_TELEMETRY_ITEMS) throw ApiError.invalid('body', `must have at most ${MAX_TELEMETRY_ITEMS} items`);
    try {
      return await this.service.apply(items, undefined, traceparent);
    } catch (error) {
      if (error instanceof BacklogError) {
        throw new ApiError(error.isOwn ? 'rate_limit_exceeded' : 'unavailable', error.message, { headers: RETRY_AFTER });
      }
      if (error instanceof ContentionError) throw new ApiError('unavailable', error.message, { headers: RETRY_AFTER });
      throw error;
    }
  }
}

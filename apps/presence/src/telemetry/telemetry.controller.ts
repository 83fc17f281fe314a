import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { MAX_TELEMETRY_ITEMS } from '#contracts';
import { RequireAccess } from '#auth';
import { ApiError } from '#http';
import type { TelemetryResult } from './agent-work.js';
import { BacklogError, ContentionError, TelemetryService } from './telemetry.service.js';

const RETRY_AFTER = { 'retry-after': '1' };

/** Telemetry over HTTP: contract §4. */
@Controller()
export class TelemetryController {
  constructor(private readonly service: TelemetryService) {}

  /**
   * One item or an array of them; always answers an array, one result an item, in order. A request is refused as a whole, before
   * anything of it is decided, where too much of a client that it is about is waiting: the others' telemetry is not.
   */
  @Post('telemetry')
  @HttpCode(200)
  @RequireAccess('platform')
  async report(@Body() body: unknown): Promise<TelemetryResult[]> {
    if (typeof body !== 'object' || body === null) throw ApiError.invalid('body', 'must be a JSON object or an array of them');
    const items: readonly unknown[] = Array.isArray(body) ? body : [body];
    if (items.length > MAX_TELEMETRY_ITEMS) throw ApiError.invalid('body', `must have at most ${MAX_TELEMETRY_ITEMS} items`);
    try {
      return await this.service.apply(items);
    } catch (error) {
      if (error instanceof BacklogError) {
        throw new ApiError(error.isOwn ? 'rate_limit_exceeded' : 'unavailable', error.message, { headers: RETRY_AFTER });
      }
      if (error instanceof ContentionError) throw new ApiError('unavailable', error.message, { headers: RETRY_AFTER });
      throw error;
    }
  }
}

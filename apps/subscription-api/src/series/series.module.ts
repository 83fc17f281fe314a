import { Module } from '@nestjs/common';
import { SeriesController } from './series.controller.js';
import { SeriesRepository } from './series.repository.js';

/** Changes and deliveries over time, for charts: contract §3. */
@Module({
  controllers: [SeriesController],
  providers: [SeriesRepository],
})
export class SeriesModule {}

import { Module, type DynamicModule } from '@nestjs/common';
import { Intake } from './intake/intake.js';
import { ConsumerReport, StatusChangeConsumer } from './intake/status-change.consumer.js';
import { ShardLeases } from './lanes/shard-leases.js';

/** What status changes come in by. Its parts are made and stopped by `startDispatcher`, in the order that their work needs. */
@Module({})
export class DispatcherModule {
  static with(intake: Intake, leases: ShardLeases, report: ConsumerReport): DynamicModule {
    return {
      module: DispatcherModule,
      controllers: [StatusChangeConsumer],
      providers: [
        { provide: Intake, useValue: intake },
        { provide: ShardLeases, useValue: leases },
        { provide: ConsumerReport, useValue: report },
      ],
    };
  }
}

import { Module, type DynamicModule } from '@nestjs/common';
import { FanOutService } from './fan-out/fan-out.service.js';
import { ConsumerReport, StatusChangeConsumer } from './fan-out/status-change.consumer.js';

/** What status changes come in by. Its parts are made and stopped by `startDispatcher`, in the order that their work needs. */
@Module({})
export class DispatcherModule {
  static with(fanOut: FanOutService, report: ConsumerReport): DynamicModule {
    return {
      module: DispatcherModule,
      controllers: [StatusChangeConsumer],
      providers: [
        { provide: FanOutService, useValue: fanOut },
        { provide: ConsumerReport, useValue: report },
      ],
    };
  }
}

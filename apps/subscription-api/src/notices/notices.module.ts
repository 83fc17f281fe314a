import { Module } from '@nestjs/common';
import { WebhookSecretsModule } from '../webhook-secrets/webhook-secrets.module.js';
import { NoticeEventController } from './notice-event.controller.js';
import { NoticeEventRepository } from './notice-event.repository.js';
import { NoticeEvents } from './notice-events.js';
import { NoticeController } from './notice.controller.js';
import { NoticeRepository } from './notice.repository.js';

/** What people who look after notifications are told, and where: contract §3. */
@Module({
  imports: [WebhookSecretsModule],
  controllers: [NoticeController, NoticeEventController],
  providers: [NoticeRepository, NoticeEventRepository, NoticeEvents],
})
export class NoticesModule {}
